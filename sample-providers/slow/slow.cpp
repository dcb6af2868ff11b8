// Teaches asynchronous answers: NextEx returns at once, a thread of the provider completes the call later, End cancels it.
// c++ -std=c++17 -shared -fPIC -O2 -pthread -I../../Sources/ABI/CWinsock/include slow.cpp -o slow.so
#define NSP_ROUTINE_PROTOTYPES // so that the routines below are exported, with C names
#include <nsphost.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

NSP_PROVIDER("slow", NS_NETDES, 1, 0, "", 0x5d1c9a70, 0x2e44, 0x4f3b, 0x8a, 0x06, 0x33, 0x91, 0x7c, 0x20, 0xb5, 0x4e);

// One lookup. The name says how long an answer takes: "wait-50" is 50 milliseconds.
struct Lookup {
  std::u16string name;
  std::chrono::milliseconds delay{0};
  bool delivered = false;
  bool ended = false;
  std::mutex mutex;
  std::condition_variable woken;
  std::thread worker;

  // Runs on the provider's own thread. The block stays ours until the call is completed.
  void answer(HANDLE call, LPDWORD length, LPWSAQUERYSET2W block) {
    std::unique_lock lock(mutex);
    INT code = WSA_E_CANCELLED;
    if (!woken.wait_for(lock, delay, [this] { return ended; })) {
      WSAQUERYSET2W record = {};
      record.dwSize = sizeof record;
      record.lpszServiceInstanceName = reinterpret_cast<LPWSTR>(name.data());
      code = NSPHostPackQuerySet(&record, length, block);
      delivered = code == NO_ERROR;
    }
    NSPHostLog(call, NSP_LOG_DEBUG, code == NO_ERROR ? "has waited" : "stops waiting");  // shown with the query's id
    lock.unlock();  // never complete a call with a lock held: the host may call right back
    WSAProviderCompleteAsyncCall(call, code);
  }
};

INT NSPv2LookupServiceBegin(LPGUID, LPWSAQUERYSET2W query, DWORD, LPVOID, LPHANDLE handle) {
  // A query by class or provider alone has no name.
  auto *given = reinterpret_cast<const char16_t *>(query->lpszServiceInstanceName);
  const std::u16string name(given != nullptr ? given : u"");
  const std::u16string prefix = u"wait-";
  if (name.rfind(prefix, 0) != 0) {
    WSASetLastError(WSASERVICE_NOT_FOUND);
    return SOCKET_ERROR;
  }
  auto *lookup = new Lookup;
  lookup->name = name;
  lookup->delay = std::chrono::milliseconds(std::atoi(std::string(name.begin() + 5, name.end()).c_str()));
  *handle = lookup;
  return NO_ERROR;
}

VOID NSPv2LookupServiceNextEx(HANDLE call, HANDLE handle, DWORD, LPDWORD length, LPWSAQUERYSET2W block) {
  auto *lookup = static_cast<Lookup *>(handle);
  if (lookup->worker.joinable()) lookup->worker.join();  // the previous call's, which has completed
  if (lookup->delivered) {
    WSAProviderCompleteAsyncCall(call, WSA_E_NO_MORE);
    return;
  }
  NSPHostLog(nullptr, NSP_LOG_DEBUG, "begins to wait");  // the call is the one that this thread is in
  lookup->worker = std::thread(&Lookup::answer, lookup, call, length, block);
}

INT NSPv2LookupServiceEnd(HANDLE handle) {
  auto *lookup = static_cast<Lookup *>(handle);
  {
    std::lock_guard lock(lookup->mutex);
    lookup->ended = true;
  }
  lookup->woken.notify_all();
  if (lookup->worker.joinable()) lookup->worker.join();  // its call is completed before the handle goes
  delete lookup;
  return NO_ERROR;
}
