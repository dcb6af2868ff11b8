/* The preallocated service classes: a port or a type number inside a GUID. Ports are in host order. (NSP §4.4) */
#ifndef NSP_SVCGUID_H
#define NSP_SVCGUID_H

#include "windef.h"

#define NSP_SVCID(first, third) \
  { (DWORD)(first), 0, (WORD)(third), { 0xC0, 0, 0, 0, 0, 0, 0, 0x46 } }

#define SVCID_HOSTNAME NSP_SVCID(0x0002A800, 0)
#define SVCID_INET_HOSTADDRBYINETSTRING NSP_SVCID(0x0002A801, 0)
#define SVCID_INET_SERVICEBYNAME NSP_SVCID(0x0002A802, 0)
#define SVCID_INET_HOSTADDRBYNAME NSP_SVCID(0x0002A803, 0)
#define SVCID_TCP_RR(port, rr) NSP_SVCID(0x00090000 | (WORD)(port), rr)
#define SVCID_TCP(port) SVCID_TCP_RR(port, 0)
#define SVCID_UDP_RR(port, rr) NSP_SVCID(0x000A0000 | (WORD)(port), rr)
#define SVCID_UDP(port) SVCID_UDP_RR(port, 0)
#define SVCID_NETWARE(sapid) NSP_SVCID(0x000B0000 | (WORD)(sapid), 0)
#define SVCID_DNS(rr) SVCID_TCP_RR(53, rr)

static inline int NspIsPreallocatedSvcid(const GUID *g, DWORD upper) {
  return (g->Data1 & 0xFFFF0000) == upper && g->Data2 == 0 && g->Data4[0] == 0xC0 && g->Data4[1] == 0 && g->Data4[2] == 0 &&
         g->Data4[3] == 0 && g->Data4[4] == 0 && g->Data4[5] == 0 && g->Data4[6] == 0 && g->Data4[7] == 0x46;
}

static inline void NspSetSvcid(GUID *g, DWORD first, WORD third) {
  const GUID made = NSP_SVCID(first, third);
  *g = made;
}

#define IS_SVCID_TCP(g) NspIsPreallocatedSvcid((g), 0x00090000)
#define IS_SVCID_UDP(g) NspIsPreallocatedSvcid((g), 0x000A0000)
#define IS_SVCID_NETWARE(g) (NspIsPreallocatedSvcid((g), 0x000B0000) && (g)->Data3 == 0)
#define IS_SVCID_DNS(g) (NspIsPreallocatedSvcid((g), 0x00090000) && (g)->Data1 == 0x00090035)
#define PORT_FROM_SVCID_TCP(g) ((WORD)((g)->Data1 & 0xFFFF))
#define PORT_FROM_SVCID_UDP(g) ((WORD)((g)->Data1 & 0xFFFF))
#define SAPID_FROM_SVCID_NETWARE(g) ((WORD)((g)->Data1 & 0xFFFF))
#define RR_FROM_SVCID(g) ((g)->Data3)
#define SET_TCP_SVCID_RR(g, port, rr) NspSetSvcid((g), 0x00090000 | (WORD)(port), (WORD)(rr))
#define SET_TCP_SVCID(g, port) SET_TCP_SVCID_RR(g, port, 0)
#define SET_UDP_SVCID_RR(g, port, rr) NspSetSvcid((g), 0x000A0000 | (WORD)(port), (WORD)(rr))
#define SET_UDP_SVCID(g, port) SET_UDP_SVCID_RR(g, port, 0)
#define SET_NETWARE_SVCID(g, sapid) NspSetSvcid((g), 0x000B0000 | (WORD)(sapid), 0)

#define SVCID_FTP_TCP SVCID_TCP(21)
#define SVCID_TELNET_TCP SVCID_TCP(23)
#define SVCID_SMTP_TCP SVCID_TCP(25)
#define SVCID_DOMAIN_TCP SVCID_TCP(53)
#define SVCID_POP3_TCP SVCID_TCP(110)
#define SVCID_NNTP_TCP SVCID_TCP(119)
#define SVCID_DOMAIN_UDP SVCID_UDP(53)
#define SVCID_NTP_UDP SVCID_UDP(123)
#define SVCID_SNMP_UDP SVCID_UDP(161)
#define SVCID_PRINT_QUEUE SVCID_NETWARE(3)
#define SVCID_FILE_SERVER SVCID_NETWARE(4)
#define SVCID_JOB_SERVER SVCID_NETWARE(5)
#define SVCID_PRINT_SERVER SVCID_NETWARE(7)
#define SVCID_ARCHIVE_SERVER SVCID_NETWARE(9)
#define SVCID_REMOTE_BRIDGE_SERVER SVCID_NETWARE(36)
#define SVCID_ADVERTISING_PRINT_SERVER SVCID_NETWARE(71)
#define SVCID_DNS_TYPE_A SVCID_DNS(1)
#define SVCID_DNS_TYPE_NS SVCID_DNS(2)
#define SVCID_DNS_TYPE_CNAME SVCID_DNS(5)
#define SVCID_DNS_TYPE_SOA SVCID_DNS(6)
#define SVCID_DNS_TYPE_PTR SVCID_DNS(12)
#define SVCID_DNS_TYPE_MX SVCID_DNS(15)
#define SVCID_DNS_TYPE_TEXT SVCID_DNS(16)
#define SVCID_DNS_TYPE_AAAA SVCID_DNS(28)
#define SVCID_DNS_TYPE_SRV SVCID_DNS(33)

#endif
