# The words for the faults of faults.py, for people, in fault_text.txt: code, name, MREC id (the ChargeX minimum
# required error codes; 0 where none fits), what the user should do. Read when a fault is told: 3 KB that the heap need
# not hold. A line that begins with code/data is for that data alone and stands before the others of its code.
_FILE = __file__.rsplit(".", 1)[0] + ".txt"


def words_of(code, data=0):
    # [name, MREC id, action], all text; a code without words is named by its number.
    heads = "%d/%d " % (code, data), "%d " % code
    try:
        with open(_FILE) as file:
            for line in file:
                if line.startswith(heads):
                    return line.strip().split(" ", 3)[1:]
    except OSError:
        pass  # the words are for comfort: the fault is told without them
    return ["fault_%d" % code, "0", ""]
