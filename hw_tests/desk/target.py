"""Where an image lives on a board: as files in its root, or in its ROM partition (hw_tests/desk/rom.py)."""

from hw_tests.desk import image as images
from hw_tests.desk import plan as plans
from hw_tests.desk.board import ENOSPC, Board, Failed
from hw_tests.desk.image import MANIFEST, Image
from hw_tests.desk.plan import NEW, SWITCH, Plan
from hw_tests.desk.progress import Teller
from hw_tests.desk.trouble import Trouble

BOOT, MAIN = "boot.py", "main.py"


class Target:
    """Where the image lives on a board: Files is one kind, Rom the other.

    Args:
        board: in the raw REPL.
        teller: what the user sees.
    """

    def __init__(self, board: Board, teller: Teller) -> None:
        self.board, self.teller = board, teller

    def put(self, image: Image, others: dict[str, bytes]) -> None:
        """Bring image and other files onto the board, so that the next start runs them."""
        raise NotImplementedError


class Files(Target):
    """The image as files in the root of the board's file system.

    Attributes:
        KNOWS: what the board's boot.py must know by name before a flash of this kind may begin.
    """

    KNOWS: tuple[str, ...] = (SWITCH,)

    def put(self, image: Image, others: dict[str, bytes]) -> None:
        there = self.board.listing()
        plan = self._plan(image, there, others)
        if plan.nothing:
            self.teller.say(f"the board has image {image.hash} already: nothing to copy")
            return
        self._check_room(plan, there)
        if blocked := plans.hidden(image, there, plan.gone):
            raise Trouble(f"the folder {blocked[0]} on the board would hide {blocked[0]}.mpy and is not Sluice's: "
                          "move it away (mpremote) and repeat this.")  # fmt: skip
        self._check_renames()
        try:
            for name in plan.stale:
                self.board.run(f"os.remove({'/' + name!r})")
            self._boot_first(image)
            self._before_files()
            self._stage(plan)
            self._commit(plan)
        except Failed as error:
            if error.errno == ENOSPC:
                raise Trouble("the board has no space left: remove what is not Sluice's (mpremote) and repeat this; "
                              "it still has its old image.") from None  # fmt: skip
            raise

    def _plan(self, image: Image, there: dict[str, int], others: dict[str, bytes]) -> Plan:
        wanted = plans.worth_hashing(image, there)
        extra = [name for name, data in others.items() if there.get(name) == len(data)]
        names = sorted({*wanted, *extra})
        hashes = {name: self.board.hash_of(name) for name in self.teller.each("comparing", names)}
        ours = images.names_in(self.board.read(MANIFEST) or b"")
        return plans.make(image, there, hashes, ours, others)

    def _check_room(self, plan: Plan, there: dict[str, int]) -> None:
        """Before anything is touched; the left-overs of a cut flash are counted as free, they go first."""
        about = self.board.about()
        need_B = plan.blocks(about.block_B, there) * about.block_B
        free_B = about.free_B + sum(there[name] // about.block_B * about.block_B for name in plan.stale)
        if need_B > free_B:
            raise Trouble(f"no space: the flash needs {need_B // 1024} KB and the board has {free_B // 1024} KB free: "
                          "remove what is not Sluice's (mpremote) and repeat this.")  # fmt: skip

    def _check_renames(self) -> None:
        if not self.board.ask("_replaces('/desk.a','/desk.b')"):
            raise Trouble("the board's file system cannot replace a file in one step (FAT): format it as littlefs, "
                          "MicroPython's default on the ESP32, and repeat this.")  # fmt: skip

    def _boot_first(self, image: Image) -> None:
        """The switch is boot.py's work: a board whose boot.py does not know it gets ours before anything else."""
        there = self.board.read(BOOT) or b""
        if BOOT in image.files and not all(word.encode() in there for word in self.KNOWS):
            self.board.replace(BOOT, image.files[BOOT])

    def _before_files(self) -> None:
        """What has to lie on the board, verified, before the files are written beside."""

    def _stage(self, plan: Plan) -> None:
        names = [name for name in plan.fresh if name not in plan.staged]
        with self.teller.amount(f"copying {len(names)} files", plan.sent_B) as bar:
            for name in names:
                self.board.write(name + NEW, plan.fresh[name], bar.more)

    def _commit(self, plan: Plan) -> None:
        """One rename, and the new image counts; what follows is carried out by the board, as often as it takes."""
        self.board.replace(SWITCH, plan.switch())
        self.teller.say(f"switching: {len(plan.fresh)} files put in place, {len(plan.gone)} removed")
