"""The emulated account: its names, addresses and identifiers, the same in every run.

They are fixed so that a service configured once finds the same Cloudflare after a restart.
"""

import ipaddress

ZONE_NAME = "nameplate-demo.net"
ZONE_ID = "5e4d3c2b1a0f4e8d9c7b6a5948372615"
ACCOUNT_ID = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
TOKEN_ID = "ed17574386854bf78a67040be0a770b0"  # noqa: S105 - an identifier, no secret
TOKEN = "sandbox-token-for-nameplate-demo-net-001"  # noqa: S105 - opens this emulator only
DCV_DELEGATION_UUID = "f2b9e6a47c3d4185"
DCV_SUFFIX = f"{DCV_DELEGATION_UUID}.dcv.cloudflare.com"

FALLBACK_ORIGIN = f"proxy-fallback.{ZONE_NAME}"
CNAME_TARGET = f"customers.{ZONE_NAME}"
ORIGIN_ADDRESS = "192.0.2.10"

PROVIDER_ADDRESSES = ("127.0.0.81", "127.0.0.82")
ELSEWHERE_ADDRESSES = ("127.0.0.83", "127.0.0.84")
CLOUDFLARE_RANGE = str(ipaddress.ip_network("127.0.0.80/28"))
NAME_SERVER_ADDRESS = "127.0.0.1"
CLOUDFLARE_NAME_SERVERS = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
OTHER_NAME_SERVERS = ("ns1.sandbox-dns.net", "ns2.sandbox-dns.net")
