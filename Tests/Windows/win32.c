/* The functions of the Win32 base, and strsafe.h. */
#include <windows.h>
#include <pthread.h>
#include <strsafe.h>

#include "check.h"

static CRITICAL_SECTION section;
static HANDLE manual, automatic;
static LONG inside, woken;

static void *enters(void *unused) {
  for (int i = 0; i < 10000; i++) {
    EnterCriticalSection(&section);
    EnterCriticalSection(&section); /* the same thread may */
    inside++;
    LeaveCriticalSection(&section);
    LeaveCriticalSection(&section);
  }
  return unused;
}
static void critical_sections(void) {
  pthread_t threads[4];
  InitializeCriticalSection(&section);
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, enters, NULL);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  CHECK(inside == 40000);
  DeleteCriticalSection(&section);
}

static void *waits(void *unused) {
  if (WaitForSingleObject(automatic, INFINITE) == WAIT_OBJECT_0) __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
  return unused;
}
static void events(void) {
  pthread_t threads[3];
  manual = CreateEvent(NULL, TRUE, FALSE, NULL);
  CHECK(manual != NULL && WaitForSingleObject(manual, 0) == WAIT_TIMEOUT && WaitForSingleObject(manual, 20) == WAIT_TIMEOUT);
  CHECK(SetEvent(manual) && WaitForSingleObject(manual, INFINITE) == WAIT_OBJECT_0 && WaitForSingleObject(manual, 0) == WAIT_OBJECT_0);
  CHECK(ResetEvent(manual) && WaitForSingleObject(manual, 0) == WAIT_TIMEOUT);
  /* Of those that wait for an automatic one, each setting wakes one. */
  automatic = CreateEventA(NULL, FALSE, FALSE, NULL);
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, waits, NULL);
  for (int i = 1; i <= 3; i++) {
    SetEvent(automatic);
    for (int j = 0; j < 500 && __atomic_load_n(&woken, __ATOMIC_SEQ_CST) < i; j++) Sleep(10);
    CHECK(__atomic_load_n(&woken, __ATOMIC_SEQ_CST) == i);
  }
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  CHECK(WaitForSingleObject(automatic, 0) == WAIT_TIMEOUT);
  CHECK(SetEvent(automatic) && SetEvent(automatic) && WaitForSingleObject(automatic, 0) == WAIT_OBJECT_0);
  CHECK(WaitForSingleObject(automatic, 0) == WAIT_TIMEOUT);
  /* They are the client API's own. */
  HANDLE both[2] = {manual, automatic};
  CHECK(WSASetEvent(manual) && WaitForSingleObject(manual, 0) == WAIT_OBJECT_0 && WSAResetEvent(manual) && SetEvent(automatic));
  CHECK(WSAWaitForMultipleEvents(2, both, TRUE, 20, FALSE) == WSA_WAIT_TIMEOUT && WaitForSingleObject(automatic, 0) == WAIT_OBJECT_0);
  CHECK(SetEvent(automatic) && SetEvent(manual) && WSAWaitForMultipleEvents(2, both, TRUE, 1000, FALSE) == WSA_WAIT_EVENT_0);
  CHECK(WaitForSingleObject(automatic, 0) == WAIT_TIMEOUT);
  CHECK(CloseHandle(manual) && !CloseHandle(manual) && GetLastError() == WSA_INVALID_HANDLE && WSACloseEvent(automatic));
  SetLastError(0);
  CHECK(WaitForSingleObject(manual, 0) == WAIT_FAILED && GetLastError() == WSA_INVALID_HANDLE && !SetEvent(manual) && !ResetEvent(manual));
  HANDLE set = CreateEventW(NULL, FALSE, TRUE, NULL);
  CHECK(WaitForSingleObject(set, 0) == WAIT_OBJECT_0 && WaitForSingleObject(set, 0) == WAIT_TIMEOUT && CloseHandle(set));
  CHECK(CreateEventW(NULL, TRUE, FALSE, L"name") == NULL && GetLastError() == WSA_INVALID_PARAMETER);
}

static void memory(void) {
  char *room = (char *)HeapAlloc(GetProcessHeap(), 0, 100);
  CHECK(room != NULL);
  SecureZeroMemory(room, 100);
  CHECK(room[99] == 0 && HeapFree(GetProcessHeap(), 0, room) && HeapFree(GetProcessHeap(), 0, NULL));
}

static void computer_name(void) {
  CHAR name[MAX_PATH], small[1];
  WCHAR wide[MAX_PATH];
  TCHAR neutral[MAX_PATH];
  DWORD count = MAX_PATH, wideCount = MAX_PATH, neutralCount = MAX_PATH, tooSmall = 1;
  CHECK(GetComputerNameA(name, &count) && count == strlen(name) && count > 0);
  CHECK(GetComputerNameW(wide, &wideCount) && wideCount == wcslen(wide) && wide[0] == (WCHAR)name[0]);
  CHECK(GetComputerName(neutral, &neutralCount) && neutralCount == wideCount);
  CHECK(!GetComputerNameA(small, &tooSmall) && GetLastError() == 111 && tooSmall == count + 1);
  tooSmall = 1;
  CHECK(!GetComputerNameW(wide, &tooSmall) && GetLastError() == 111 && tooSmall == wideCount + 1);
#ifdef __cplusplus
  unsigned long natural = MAX_PATH;
  CHECK(GetComputerName(neutral, &natural) && natural == neutralCount);
#endif
}

static void comparison(void) {
  CHECK(lstrcmpiA("Name", "nAME") == 0 && lstrcmpiW(L"\xC4x", L"\xE4X") == 0 && lstrcmpiW(L"a", L"b") < 0 && lstrcmpiW(L"b", L"A") > 0);
  CHECK(lstrcmpiA("\xC3\x84", "\xC3\xA4") == 0 && lstrcmpiW(NULL, L"") < 0);
#ifdef UNICODE
  CHECK(lstrcmpi(L"u", L"U") == 0);
#else
  CHECK(lstrcmpi("u", "U") == 0);
#endif
  CHECK(_stricmp("ABC", "abc") == 0 && _stricmp("a", "b") < 0 && _strnicmp("NS_SAP", "ns_sap2", 6) == 0);
  CHECK(_wcsicmp(L"ABC", L"abc") == 0 && _wcsicmp(L"b", L"A") > 0 && _wcsnicmp(L"ABC", L"abd", 2) == 0);
}

static void safe_strings(void) {
  WCHAR wide[4];
  CHAR narrow[4];
  CHECK(StringCchCopyW(wide, 4, L"abc") == S_OK && wcscmp(wide, L"abc") == 0);
  /* NSP-244 */
  CHECK(StringCchCopyW(wide, 4, L"abcd") == (HRESULT)0x8007007A && wcscmp(wide, L"abc") == 0);
  CHECK(StringCchCopyW(wide, 0, L"") == (HRESULT)0x80070057);
  CHECK(StringCchCopyA(narrow, 4, "a") == S_OK && StringCchCatA(narrow, 4, "bc") == S_OK && strcmp(narrow, "abc") == 0);
  CHECK(StringCchCatA(narrow, 4, "d") == (HRESULT)0x8007007A && strcmp(narrow, "abc") == 0);
  CHECK(StringCchCopyW(wide, 4, L"x") == S_OK && StringCchCatW(wide, 4, L"yzz") == (HRESULT)0x8007007A && wcscmp(wide, L"xyz") == 0);
  CHECK(StringCchPrintfA(narrow, 4, "%d", 123) == S_OK && StringCchPrintfA(narrow, 4, "%d", 1234) == (HRESULT)0x8007007A);
  CHECK(strcmp(narrow, "123") == 0 && StringCchPrintfA(narrow, 0, "%d", 1) == (HRESULT)0x80070057);
  CHECK(StringCchPrintfW(wide, 4, L"%02x%s", 10, L"z") == S_OK && wcscmp(wide, L"0az") == 0);
  CHECK(StringCchPrintfW(wide, 4, L"%S", "long") == (HRESULT)0x8007007A && wcscmp(wide, L"lon") == 0);
  TCHAR neutral[8];
#ifdef UNICODE
  CHECK(StringCchCopy(neutral, 8, L"a") == S_OK && StringCchCat(neutral, 8, L"b") == S_OK && StringCchPrintf(neutral, 8, L"%d", 5) == S_OK);
#else
  CHECK(StringCchCopy(neutral, 8, "a") == S_OK && StringCchCat(neutral, 8, "b") == S_OK && StringCchPrintf(neutral, 8, "%d", 5) == S_OK);
#endif
  CHECK(neutral[0] == '5');
}

int main(void) {
  critical_sections();
  events();
  memory();
  computer_name();
  comparison();
  safe_strings();
  return failures;
}
