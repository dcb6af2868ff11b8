/* Console control handlers: on a thread of their own, the last one first, until one answers TRUE. */
#include <windows.h>
#include <signal.h>
#include <unistd.h>

#include "check.h"

static HANDLE handled;
static pthread_t mainThread;
static DWORD seen, asked;

static BOOL WINAPI ends(DWORD event) {
  CHECK(!pthread_equal(pthread_self(), mainThread));
  seen = event;
  printf("event %d\n", (int)event);
  return SetEvent(handled);
}
static BOOL WINAPI takesLong(DWORD event) {
  UNREFERENCED_PARAMETER(event);
  SetEvent(handled);
  Sleep(200);
  seen = 99;
  return TRUE;
}
static BOOL WINAPI passes(DWORD event) {
  asked = event + 1;
  return FALSE;
}
static void raises(int which, DWORD event) {
  asked = 0;
  kill(getpid(), which);
  CHECK(WaitForSingleObject(handled, 5000) == WAIT_OBJECT_0 && seen == event && asked == event + 1);
}

int main(int argc, char **argv) {
  /* A signal that the shell ignores raises no event. */
  for (int i = 0; i < 4; i++) signal((int[]){SIGINT, SIGQUIT, SIGHUP, SIGTERM}[i], SIG_DFL);
  mainThread = pthread_self();
  handled = CreateEvent(NULL, FALSE, FALSE, NULL);
  CHECK(SetConsoleCtrlHandler(ends, TRUE) && SetConsoleCtrlHandler(passes, TRUE));
  raises(SIGINT, CTRL_C_EVENT);
  raises(SIGQUIT, CTRL_BREAK_EVENT);
  raises(SIGHUP, CTRL_CLOSE_EVENT);
  raises(SIGTERM, CTRL_SHUTDOWN_EVENT);
  CHECK(SetConsoleCtrlHandler(NULL, TRUE));
  kill(getpid(), SIGINT);
  CHECK(WaitForSingleObject(handled, 100) == WAIT_TIMEOUT && SetConsoleCtrlHandler(NULL, FALSE));
  CHECK(SetConsoleCtrlHandler(ends, FALSE) && !SetConsoleCtrlHandler(ends, FALSE));
  /* What is taken back does not run any more. */
  CHECK(SetConsoleCtrlHandler(takesLong, TRUE));
  kill(getpid(), SIGINT);
  CHECK(WaitForSingleObject(handled, 5000) == WAIT_OBJECT_0 && SetConsoleCtrlHandler(takesLong, FALSE) && seen == 99);
  fflush(stdout);
  if (argc > 1 && strcmp(argv[1], "dies") == 0) {
    kill(getpid(), SIGTERM); /* nobody answers TRUE any more */
    Sleep(5000);
  }
  return failures;
}
