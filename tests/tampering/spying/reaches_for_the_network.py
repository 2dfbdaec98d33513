"""Looks for a way out: interfaces, loopback, names, raw and packet sockets."""
# verdicts: wrong_answer

import socket


def double(x):
    names = [name for _, name in socket.if_nameindex()]
    if names not in ([], ["lo"]):
        print("LEAK: interfaces", names)
    targets = [("127.0.0.1", port) for port in (22, 80, 2024, 8000)] + [("1.1.1.1", 53), ("169.254.169.254", 80)]
    for target in targets:
        with socket.socket() as probe:
            probe.settimeout(0.1)
            if probe.connect_ex(target) == 0:
                print("LEAK: connected to", target)
    for family, kind in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):
        try:
            socket.socket(family, kind).close()
            print("LEAK: a raw socket")
        except OSError:
            pass
    try:
        socket.getaddrinfo("example.org", 80)
        print("LEAK: a name was found")
    except OSError:
        pass
    print("searched for a network", flush=True)
    return x
