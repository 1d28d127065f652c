"""Addresses that lead elsewhere than they seem to, for an allow-list of https://img.example.com/pictures/."""

from __future__ import annotations

HOST = "img.example.com"
BELOW = f"https://{HOST}/pictures"

SCHEMES = [
    "http", "HTTPS", "hTTps", "ftp", "file", "gopher", "dict", "ldap", "sftp", "tftp", "jar:https", "ws",
    "wss",
    "data", "javascript", "blob", "netdoc", "https+unix", "view-source:https", "",
]  # fmt: skip

HOSTS = [
    # This host and the cloud's metadata, by name and by number.
    "localhost", "127.0.0.1", "127.1", "127.0.1", "0", "0.0.0.0", "2130706433", "0x7f000001", "0x7f.1",
    "0177.0.0.1", "017700000001", "127.0.0.1.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
    "[::127.0.0.1]", "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[2001:0:1:1:1:1:80ff:fffe]", "[fe80::1%25eth0]",
    "[fe80::5efe:7f00:1]", "[fd00:ec2::254]", "169.254.169.254", "169.254.169.254.nip.io", "2852039166",
    "0xa9fea9fe", "0251.0376.0251.0376", "metadata.google.internal", "metadata", "100.100.100.200",
    "192.168.0.1", "10.0.0.1", "172.16.0.1", "100.64.0.1", "kubernetes.default.svc", "frontend:80",
    # Look-alikes and neighbours of the allowed name.
    f"{HOST}.", f".{HOST}", f"{HOST}..", f"{HOST}.evil.test", f"evil.{HOST}", f"evil{HOST}", "example.com",
    "IMG.example.com", "img.EXAMPLE.com", "img-example.com", "img.example.co", "img.example.comm", "img",
    "img..example.com", "-img.example.com", "img_.example.com", "*.example.com", "img.example.com,evil.test",
    "\u0456mg.example.com", "xn--mg-1pb.example.com", "img\u3002example\u3002com",
    "img\uff0eexample\uff0ecom",
    "\u2488mg.example.com", "img.ex\u00admple.com", "img.example.com\u200b", "\uff49mg.example.com",
    "img.example.\u212aom", "\u24d8mg.example.com", "img%2eexample%2ecom", "%69mg.example.com",
    "img.example.com%00.evil.test", "img.example.com%0d%0aHost:evil.test", "img.example.com\t.evil.test",
    "img.example.com\x00", "img.example.com\r\nX: y", "a" * 300 + ".example.com", ("a." * 200) + "com",
]  # fmt: skip

AUTHORITIES = [
    f"{HOST}@evil.test", f"user@{HOST}", f"user:password@{HOST}", f":@{HOST}", f"@{HOST}",
    f"{HOST}:443@evil.test",
    f"evil.test#@{HOST}", f"evil.test?@{HOST}", f"evil.test\\@{HOST}", f"{HOST}\\@evil.test",
    f"{HOST}%40evil.test",
    f"{HOST}%2f@evil.test", f"{HOST};@evil.test", f"evil.test %20@{HOST}", f"{HOST}:@evil.test",
    f"{HOST}&@evil.test#", f"{HOST}@{HOST}@evil.test", f"{HOST} evil.test",
    f"{HOST}:80", f"{HOST}:8443", f"{HOST}:0", f"{HOST}:00443", f"{HOST}:+443", f"{HOST}:-443",
    f"{HOST}:65979",
    f"{HOST}:443:443", f"{HOST}:", f"{HOST}:4 43", f"{HOST}:http", f"{HOST}:\u0664\u0664\u0663",
    f"{HOST}:443.0",
]  # fmt: skip

PATHS = [
    "", "/", "/pictures", "/picturesque/x", "/Pictures/x", "/other/x", "//pictures/x", "/./pictures/x",
    "/x/../pictures/x", "/pictures/..", "/pictures/../x", "/pictures/a/../../x", "/pictures/./x",
    "/pictures/.",
    "/pictures/%2e%2e/x", "/pictures/%2E./x", "/pictures/.%2e/x", "/pictures/..%2fx", "/pictures/..%2Fx",
    "/pictures/%2e%2e%2fx", "/pictures/..%5cx", "/pictures/..\\x", "\\pictures\\x", "/pictures/%252e%252e/x",
    "/pictures/%25252e/x", "/pictures/..;/x", "/pictures/%2e%2e;a=b/x", "/pictures/;/../x", "/pictures/.;/x",
    "/pictures/%c0%ae%c0%ae/x", "/pictures/%e0%80%ae/x", "/pictures/%uff0e/x",
    "/pictures/%ef%bc%8e%ef%bc%8e/x",
    "/pictures/%u002e%u002e/x", "/pictures/.. /x", "/pictures/..%20/x", "/pictures/...", "/pictures/.../x",
    "/pictures/%00", "/pictures/x%00.jpg", "/pictures/x\x00.jpg", "/pictures/%0d%0aHost:%20evil.test",
    "/pictures/x\r\nHost: evil.test", "/pictures/x\n", "/pictures/\tx", "/pictures/x y", "/pictures/%",
    "/pictures/%z",
    "/pictures/%zz", "/pictures/%1", "/pictures/%7f", "/pictures/%ff", "/pictures/%c3%28",
    "/pictures/%ed%a0%80",
    "/pictures/%e2%80%ae.jpg", "/pictures/%f3%a0%80%81", "/pictures/x#y", "/pictures/x#", "/pictures/x?%00",
    "/pictures/x?%0a", "/pictures/x?a#b", "/pictures/x?%zz", "/pictures/x?y z", "/pictures/x?\u00fc",
    "/pictures/\u00fc.jpg", "/pictures/\u202egpj.x", "/pictures/\U000e0041", "/pictures/<x>", '/pictures/"x"',
    "/pictures/{x}", "/pictures/x|y", "/pictures/x^y", "/pictures/`id`", "/pictures/[x]",
    "/pictures/" + "x" * 2048,
    "?/pictures/x", "#/pictures/x", ";/pictures/x", ":/pictures/x",
]  # fmt: skip

WHOLE = [
    "", " ", "x", "/", "//", "///", "//evil.test/x", "/\\evil.test", "\\\\evil.test\\x", "https:",
    "https:/", "https://",
    "https:///", f"https:/{HOST}/pictures/x", f"https:///{HOST}/pictures/x", f"https:\\\\{HOST}\\pictures\\x",
    f"//{HOST}/pictures/x", f"///{HOST}/pictures/x", f" {BELOW}/x", f"{BELOW}/x ", f"\t{BELOW}/x",
    f"\n{BELOW}/x",
    f"\ufeff{BELOW}/x", f"\x00{BELOW}/x", f"h\nttps://{HOST}/pictures/x", f"https:\n//{HOST}/pictures/x",
    f"url:{BELOW}/x", f"<{BELOW}/x>", f"https://evil.test/{BELOW}/x", f"{BELOW}",
    f"https://evil.test?{BELOW}/x", f"https://evil.test#{BELOW}/x", f"https://evil.test/?u={BELOW}/x",
    f"https:{HOST}/pictures/x", f"https;//{HOST}/pictures/x", f"https\uff1a//{HOST}/pictures/x",
    f"https:\u2215\u2215{HOST}/pictures/x", f"http\u017f://{HOST}/pictures/x", "https://[", "https://]",
    "https://[]/",
    "https://[::1", "https://[v1.x]/", "https://%", "https://:443/pictures/x", "https://?", "https://#",
    "https://@",
]  # fmt: skip

REFUSED = list(
    dict.fromkeys(
        [
            *(f"{scheme}://{HOST}/pictures/x" for scheme in SCHEMES),
            *(f"https://{host}/pictures/x" for host in HOSTS),
            *(f"https://{authority}/pictures/x" for authority in AUTHORITIES),
            *(f"https://{HOST}{path}" for path in PATHS),
            *WHOLE,
        ]
    )
)
"""None of them is below the allowed prefix; all of them are decided by their text."""
