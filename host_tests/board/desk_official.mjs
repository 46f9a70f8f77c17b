// The official MicroPython for WebAssembly as a board: its own raw REPL on standard input and output, its files kept
// over a soft reset.   node desk_official.mjs FOLDER-OF-MICROPYTHON
//
// Two things this port cannot do itself: a soft reset (a new interpreter gets the files of the old one), and raw paste
// (its characters come one by one: the answer is the one of a board that has none, and mpremote goes on without).
import fs from "fs";
import path from "path";

const { loadMicroPython } = await import(path.join(process.argv[2], "micropython.mjs"));
const HEAP = 160 * 1024;
const NOT_FILES = ["/dev", "/proc", "/tmp", "/home"];
const CTRL_A = 1, CTRL_B = 2, CTRL_E = 5, LETTER_A = 65;

let quiet = false;
const out = (data) => { if (!quiet) fs.writeSync(1, data); };
const one = Buffer.alloc(1);
const next = () => (fs.readSync(0, one, 0, 1) ? one[0] : null);

function files(FS, folder = "/", found = []) {
    for (const name of FS.readdir(folder)) {
        const at = path.posix.join(folder, name);
        if (name === "." || name === ".." || NOT_FILES.includes(at)) continue;
        const isFolder = FS.isDir(FS.stat(at).mode);
        found.push([at, isFolder ? null : FS.readFile(at)]);
        if (isFolder) files(FS, at, found);
    }
    return found;
}

// One file as pyexec runs it: false if it raised, "reset" at SystemExit.
function run(mp, name) {
    if (!mp.FS.analyzePath(name).exists) return true;
    try {
        mp.runPython(mp.FS.readFile(name, { encoding: "utf8" }));
        return true;
    } catch (error) {
        if (error.name !== "PythonError") throw error;
        if (error.type === "SystemExit") return "reset";
        out(Buffer.from(error.message + "\r\n"));
        return false;
    }
}

async function start(kept, raw) {
    const mp = await loadMicroPython({ heapsize: HEAP, linebuffer: false, stdout: out });
    for (const [name, data] of kept) {
        if (data !== null) mp.FS.writeFile(name, data);
        else if (!mp.FS.analyzePath(name).exists) mp.FS.mkdir(name);
    }
    mp.FS.chdir("/");
    const booted = run(mp, "/boot.py");
    if (booted === "reset") return [mp, true];
    if (booted && !raw) run(mp, "/main.py");
    quiet = raw;
    mp.replInit();
    quiet = false;
    if (raw) mp.replProcessChar(CTRL_A);
    return [mp, false];
}

// One life, until a soft reset; returns [files, raw].
async function live(kept, wasRaw) {
    let raw = wasRaw, held = [];
    const [mp, again] = await start(kept, raw);
    if (again) return [files(mp.FS), raw];
    for (;;) {
        const char = next();
        if (char === null) process.exit(0);
        held.push(char);
        const asked = [CTRL_E, LETTER_A, CTRL_A];
        if (raw && held.every((value, at) => value === asked[at])) {
            if (held.length === 3) { out(Buffer.from("R\0")); held = []; }
            continue;
        }
        for (const value of held.splice(0)) {
            if (mp.replProcessChar(value)) return [files(mp.FS), raw];
            if (value === CTRL_A) raw = true;
            if (value === CTRL_B) raw = false;
        }
    }
}

let [kept, raw] = [[], false];
for (;;) {
    [kept, raw] = await live(kept, raw);
    out(Buffer.from("MPY: soft reboot\r\n"));
}
