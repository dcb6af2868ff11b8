/* What the provider of the Domain Name System puts into lpBlob of its records, where LUP_RETURN_BLOB asks for it: the DNS record that
   a record was made from. Numbers are in host order. */
#ifndef NSP_NSPDNS_H
#define NSP_NSPDNS_H

#include "windef.h"

/* The letters NSPD, in this order in memory on little-endian machines. */
#define NSP_DNS_MAGIC 0x4450534E

/* The blob has 20 + cbData bytes. A record that was made from several (a host with all its addresses) has the type of the first, the
   least time to live of all, and no data. */
typedef struct _NSP_DNS_BLOB {
  DWORD dwMagic;   /* NSP_DNS_MAGIC */
  DWORD dwTtl;     /* seconds that it may be kept from now */
  WORD wType;      /* as in SVCID_DNS: 1 A, 15 MX, ... */
  WORD wPriority;  /* MX: the preference; SRV: the priority; 0 of others, as the next two */
  WORD wWeight;    /* SRV */
  WORD wPort;      /* SRV */
  DWORD cbData;    /* bytes in abData */
  BYTE abData[4];  /* the RDATA in network order, names spelled out; TXT: strings one after the other, each behind its length */
} NSP_DNS_BLOB, *PNSP_DNS_BLOB;

NSP_ASSERT_SIZE(NSP_DNS_BLOB, 24);
NSP_ASSERT_ALIGNMENT(NSP_DNS_BLOB, 4);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, dwMagic, 0);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, dwTtl, 4);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, wType, 8);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, wPriority, 10);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, wWeight, 12);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, wPort, 14);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, cbData, 16);
NSP_ASSERT_OFFSET(NSP_DNS_BLOB, abData, 20);

#endif
