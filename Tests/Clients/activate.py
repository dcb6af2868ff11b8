# Starts a program as a service manager does with a socket unit: activate.py SOCKET PROGRAM ARGUMENTS...
# A program that replaces itself on the way (nsenter) keeps the process id, which is what the variables are about.
import os, socket, sys

listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen(16)
# A copy is inherited; descriptor 3 itself would not be, where it is the listener's own number.
spare = os.dup(listener.fileno())
os.dup2(spare, 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execvp(sys.argv[2], sys.argv[2:])
