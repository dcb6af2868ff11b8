"""Connections to a host that take what there is, as a program would that means harm, as the user with this number.
  limits.py USER hold NUMBER [silent|hello|processes]   so many connections; says how many the host accepts, and stays until its input ends
  limits.py USER silent                                 one connection that says nothing: how it ends, and after how many milliseconds
  limits.py USER ask NUMBER NAME PROVIDER               so many lookups on connections of 64, which nobody waits for; stays until its input ends
  limits.py USER blocks NUMBER NAME PROVIDER            so many lookups that stay open, each after its first record: how many have one, and what refuses the next
  limits.py USER lookups NUMBER NAME PROVIDER           so many lookups, one behind the other: how many were answered
  limits.py USER serve SOCKET-TYPE COMMAND...           the command, with standard error on a socket; what came of it is read when a line of input comes
"""
import os, select, socket, struct, subprocess, sys, time, uuid

NO_BUFFERS = 10055


def connect():
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(20)
    one.connect(os.environ["NSP_SOCKET"])
    return one


def frame(kind, payload=b"", request=1):
    return struct.pack("<IHHII", 16 + len(payload), kind, 0, request, 0) + payload


def receive(one):
    def exactly(count):
        got = b""
        while len(got) < count:
            part = one.recv(count - len(got))
            if not part:
                return None
            got += part
        return got
    head = exactly(16)
    if head is None:
        return None
    size, _, _, _, status = struct.unpack("<IHHII", head)
    return status, exactly(size - 16)


def hello(one):
    try:
        one.sendall(frame(1, b"NSP1" + struct.pack("<HHII", 1, 0, 1 << 20, 0)))
    except BrokenPipeError:
        pass
    return receive(one)


def limit(answer):
    """The number of the limit that an answer names, and whose it is."""
    status, payload = answer
    assert status == NO_BUFFERS and len(payload) >= 24, answer
    _, _, number, user, maximum = struct.unpack("<IIIIQ", payload[:24])
    return f"limit {number} of {'all' if user == 0xFFFFFFFF else user}: {maximum}"


def query(name, provider):
    text = name.encode("utf-16-le") + b"\0\0"
    text += b"\0" * (-len(text) % 8)
    head = bytearray(120)
    struct.pack_into("<IxxxxQ", head, 0, 120, 120)
    struct.pack_into("<Q", head, 48, 120 + len(text))
    return frame(5, struct.pack("<II", 0x0FF0, 0) + bytes(head) + text + uuid.UUID(provider).bytes_le)


def stay(*words):
    print(*words, flush=True)
    sys.stdin.read()


def hold(number, kind):
    held, refusals = [], []
    for _ in range(number):
        if kind == "processes":
            ours, theirs = os.pipe(), os.pipe()
            if os.fork() == 0:
                for other in held + [theirs[1]]:
                    os.close(other)
                try:
                    answer = hello(one := connect())
                except OSError:
                    answer = None
                os.write(ours[1], b"ok" if answer and answer[0] == 0 else (limit(answer) if answer else "closed").encode())
                os.read(theirs[0], 1)
                os._exit(0)
            os.close(ours[1]), os.close(theirs[0])
            said = os.read(ours[0], 200).decode()
            os.close(ours[0])
            (held if said == "ok" else refusals).append(theirs[1] if said == "ok" else said)
            continue
        one = connect()
        if kind == "silent":
            held.append(one)
            continue
        answer = hello(one)
        if answer and answer[0] == 0:
            held.append(one)
        else:
            refusals.append(limit(answer) if answer else "closed")
    stay(f"held {len(held)} refused {len(refusals)}", refusals[0] if refusals else "")


def silent():
    start = time.monotonic()
    one = connect()
    answer = receive(one)
    end = one.recv(1)
    print(f"{limit(answer)} {'closed' if end == b'' else 'open'} after {int((time.monotonic() - start) * 1000)} ms")


def ask(number, name, provider):
    request, held = query(name, provider), []
    for index in range(number):
        if index % 64 == 0:
            held.append(connect())
            assert hello(held[-1])[0] == 0
        held[-1].sendall(request)
    stay("asked", number)


def blocks(number, name, provider):
    body, one = query(name, provider)[24:], connect()
    assert hello(one)[0] == 0
    for index in range(number):
        one.sendall(frame(2, struct.pack("<II", 0x0FF0, 0) + body))
        status, handle = receive(one)
        assert status == 0, status
        one.sendall(frame(3, handle[:8] + struct.pack("<II", 0, 0)))
        answer = receive(one)
        if answer[0] != 0:
            return print("records", index, limit(answer))
    print("records", number)


def lookups(number, name, provider):
    request, one, answered = query(name, provider), connect(), 0
    assert hello(one)[0] == 0
    for _ in range(number):
        one.sendall(request)
        answer = receive(one)
        answered += answer is not None and answer[1][:4] == b"\1\0\0\0"
    print("answered", answered)


def serve(kind, command):
    ours, theirs = socket.socketpair(socket.AF_UNIX, getattr(socket, kind))
    host = subprocess.Popen(command, stderr=theirs, stdin=subprocess.DEVNULL)
    theirs.close()
    print(host.pid, flush=True)
    sys.stdin.readline()
    while (part := ours.recv(1 << 16)):
        sys.stdout.buffer.write(part)
        sys.stdout.flush()
    sys.exit(host.wait())


user, words = int(sys.argv[1]), sys.argv[2:]
if user != os.getuid():
    # Python's own files may be root's alone: what is needed later is loaded now.
    "".encode("utf-16-le")
    os.setgroups([]), os.setresgid(user, user, user), os.setresuid(user, user, user)
if words[0] == "hold":
    hold(int(words[1]), words[2])
elif words[0] == "silent":
    silent()
elif words[0] == "ask":
    ask(int(words[1]), *words[2:])
elif words[0] == "blocks":
    blocks(int(words[1]), *words[2:])
elif words[0] == "lookups":
    lookups(int(words[1]), *words[2:])
else:
    serve(words[1], words[2:])
