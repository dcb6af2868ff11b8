"""Sits at the host's socket and answers the module in a way that no host would."""
import os, socket, struct, sys, threading, time

mode = sys.argv[1]
listener = socket.socket(socket.AF_UNIX)
listener.bind("/run/nsphost/socket")
listener.listen(16)


def frame(kind, payload=b"", status=0, length=None):
    return struct.pack("<IHHIi", 16 + len(payload) if length is None else length, kind, 0, 1, status) + payload


hello = frame(0x8001, struct.pack("<HHIIII", 1, 1, 1 << 20, 1, 1, 5000))


def serve(one):
    try:
        one.recv(4096)
        if mode == "silent":
            time.sleep(10)
        elif mode == "closes":
            pass
        elif mode == "garbage":
            one.sendall(os.urandom(5000))
            time.sleep(1)
        elif mode == "endless":
            for _ in range(100000):
                one.sendall(frame(0x801B) * 64)
        elif mode == "huge":
            one.sendall(hello + frame(0x801A, b"x" * 100, length=0xFFFFFFF0))
            time.sleep(1)
        elif mode == "half":
            one.sendall(hello + frame(0x801A, b"x" * 4, length=4000))
            one.shutdown(socket.SHUT_WR)
            time.sleep(1)
        elif mode == "lies":
            one.sendall(hello + frame(0x801A, struct.pack("<IIIHH", 4000, 4000, 0, 0, 0) + b"\xff" * 64))
            time.sleep(1)
        elif mode == "refuses":
            one.sendall(frame(0x8001, status=10055))
        elif mode == "drips":
            for byte in hello + frame(0x801A, b"\x00" * 10):
                one.sendall(bytes([byte]))
                time.sleep(0.01)
    except OSError:
        pass
    one.close()


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
