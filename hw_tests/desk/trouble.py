"""What can go wrong on a desk, each as one sentence that says what it is and what to do."""


class Trouble(Exception):
    """The tool cannot go on. Its text is a whole sentence for the user; no trace is shown."""
