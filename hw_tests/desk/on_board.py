"""The few lines that the tools leave in the board's memory while they work, as text for its raw REPL.

They run on any MicroPython from 1.25 with hashlib and binascii. Whatever is answered is one line of `repr`.
Names are absolute: the working folder of the board does not matter.
"""

HELPERS = """
import gc, os, sys, hashlib
from binascii import a2b_base64 as _a, b2a_base64 as _b
def _hash(name):
    h, buf = hashlib.sha256(), bytearray(512)
    with open(name, 'rb') as f:
        while True:
            n = f.readinto(buf)
            if not n:
                break
            h.update(memoryview(buf)[:n])
    return _b(h.digest()).decode().strip()
def _walk(top):
    for e in os.ilistdir(top or '/'):
        name = top + '/' + e[0]
        if e[1] & 0x4000:
            if name not in ('/rom', '/remote', '/proc', '/dev', '/tmp', '/home'):
                print(repr((name, -1)))
                _walk(name)
        else:
            print(repr((name, os.stat(name)[6])))
def _make(name):
    for i in range(1, len(name)):
        if name[i] == '/' and not _there(name[:i]):
            os.mkdir(name[:i])
def _replaces(a, b):
    for n in (a, b):
        with open(n, 'w') as f:
            f.write(n)
    try:
        os.rename(a, b)
        return not _there(a)
    except OSError:
        return False
    finally:
        for n in (a, b):
            if _there(n):
                os.remove(n)
def _there(name):
    try:
        os.stat(name)
        return True
    except OSError:
        return False
gc.collect()
"""

ABOUT = """
import sys, os
_s = os.statvfs('/')
print(repr((sys.implementation[0], tuple(sys.implementation[1])[:3], getattr(sys.implementation, '_mpy', 0),
    getattr(sys.implementation, '_machine', sys.platform), sys.platform, _s[1], _s[1] * _s[3])))
"""

# The ESP32's partition for a ROM file system: a block device that can be read as memory, too (esp32_partition.c). Other
# ports have none, or only the memory. `_burn` erases a block when its first bytes come; `_sum` reads as memory, which
# is how the code will run.
PARTITION = """
import vfs
def _burn(at, data):
    n, at = divmod(at, _p.ioctl(5, 0))
    if not at and _p.ioctl(6, n):
        raise OSError(5)
    _p.writeblocks(n, data, at)
def _sum(at, length):
    return _b(hashlib.sha256(memoryview(_p)[at:at + length]).digest()).decode().strip()
try:
    vfs.VfsRom
    _p = vfs.rom_ioctl(2, 0)
    memoryview(_p)
    print(repr((_p.ioctl(4, 0) * _p.ioctl(5, 0), _p.ioctl(5, 0))))
except (AttributeError, OSError, TypeError):
    print('(0, 0)')
"""
