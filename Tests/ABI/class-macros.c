/* NSP-008: the taking-apart macros invert the building ones. Built as C and as C++; the arguments are no constants, which an
   uncast initialiser would refuse in C++ as narrowing. */
#include <stdio.h>

#include "svcguid.h"

static int failures;

static void check(int holds, const char *what, int value) {
  if (holds) return;
  printf("%s fails for %d\n", what, value);
  failures++;
}
#define CHECK(condition) check((condition) != 0, #condition, value)

int main(void) {
  const int values[] = {0, 1, 53, 65535};
  for (int i = 0; i < 4; i++) {
    const int value = values[i];
    const GUID tcp = SVCID_TCP(value), udp = SVCID_UDP(value), netware = SVCID_NETWARE(value), dns = SVCID_DNS(value);
    const GUID tcpRecord = SVCID_TCP_RR(53, value), udpRecord = SVCID_UDP_RR(value, value);
    GUID set;

    CHECK(IS_SVCID_TCP(&tcp) && !IS_SVCID_UDP(&tcp) && !IS_SVCID_NETWARE(&tcp) && IS_SVCID_DNS(&tcp) == (value == 53));
    CHECK(IS_SVCID_UDP(&udp) && !IS_SVCID_TCP(&udp) && !IS_SVCID_NETWARE(&udp) && !IS_SVCID_DNS(&udp));
    CHECK(IS_SVCID_NETWARE(&netware) && !IS_SVCID_TCP(&netware) && !IS_SVCID_UDP(&netware));
    CHECK(IS_SVCID_DNS(&dns) && IS_SVCID_TCP(&dns));
    CHECK(PORT_FROM_SVCID_TCP(&tcp) == value && RR_FROM_SVCID(&tcp) == 0);
    CHECK(PORT_FROM_SVCID_UDP(&udp) == value && RR_FROM_SVCID(&udp) == 0);
    CHECK(SAPID_FROM_SVCID_NETWARE(&netware) == value);
    CHECK(PORT_FROM_SVCID_TCP(&dns) == 53 && RR_FROM_SVCID(&dns) == value);
    CHECK(memcmp(&tcpRecord, &dns, sizeof dns) == 0);
    CHECK(PORT_FROM_SVCID_UDP(&udpRecord) == value && RR_FROM_SVCID(&udpRecord) == value);

    SET_TCP_SVCID(&set, value);
    CHECK(memcmp(&set, &tcp, sizeof set) == 0);
    SET_UDP_SVCID(&set, value);
    CHECK(memcmp(&set, &udp, sizeof set) == 0);
    SET_NETWARE_SVCID(&set, value);
    CHECK(memcmp(&set, &netware, sizeof set) == 0);
    SET_TCP_SVCID_RR(&set, 53, value);
    CHECK(memcmp(&set, &dns, sizeof set) == 0);
    SET_UDP_SVCID_RR(&set, value, value);
    CHECK(memcmp(&set, &udpRecord, sizeof set) == 0);

    /* A service class that is not preallocated is none of them. */
    set = tcp;
    set.Data2 = 1;
    CHECK(!IS_SVCID_TCP(&set));
    set = netware;
    set.Data3 = 1;
    CHECK(!IS_SVCID_NETWARE(&set));
    set = udp;
    set.Data4[7] = 0;
    CHECK(!IS_SVCID_UDP(&set));
  }
  return failures != 0;
}
