"""OpenStack Swift with its S3 API, in one process: proxy, account, container and object server, each on loopback.

Run by Swift's own Python (see `swift_rig.py`): `server.py FOLDER MEMCACHED_PORT`. Makes rings of one replica and
settings below the folder, then says `{"address": …}` on a line. The account `tea` has the user `owner`, whose
secret is in the environment as SWIFT_SECRET.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import getpass  # noqa: E402
import json  # noqa: E402
import logging  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from eventlet import wsgi  # noqa: E402

KINDS = ("account", "container", "object")
POWER = 4
"""Two to this power parts in a ring."""
CONNECTIONS = 256


def main(folder: Path, memcached: int, secret: str) -> None:
    """Serves until it is killed."""
    (folder / "devices" / "one").mkdir(parents=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = tea\n[storage-policy:0]\nname = one\ndefault = yes\n"
    )
    # Swift looks for swift.conf when it is imported.
    os.environ["SWIFT_DIR"] = str(folder)
    from swift.common import utils
    from swift.common.ring import RingBuilder
    from swift.common.wsgi import loadapp

    utils.SWIFT_CONF_FILE = str(folder / "swift.conf")
    sockets = {kind: eventlet.listen(("127.0.0.1", 0), backlog=CONNECTIONS) for kind in (*KINDS, "proxy")}
    common = f"[DEFAULT]\nbind_ip = 127.0.0.1\nswift_dir = {folder}\nuser = {getpass.getuser()}\nlog_level = ERROR\n"
    for kind in KINDS:
        port = sockets[kind].getsockname()[1]
        ring = RingBuilder(POWER, 1, 0)
        device = {"id": 0, "region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "port": port, "device": "one"}
        ring.add_dev(device)
        ring.rebalance(seed="tea")
        ring.get_ring().save(str(folder / f"{kind}.ring.gz"))
        (folder / f"{kind}.conf").write_text(
            f"{common}bind_port = {port}\ndevices = {folder}/devices\nmount_check = false\n"
            f"recon_cache_path = {folder}\n"
            f"[pipeline:main]\npipeline = {kind}-server\n[app:{kind}-server]\nuse = egg:swift#{kind}\n"
        )
    port = sockets["proxy"].getsockname()[1]
    (folder / "proxy.conf").write_text(
        f"{common}bind_port = {port}\n"
        "[pipeline:main]\npipeline = catch_errors cache s3api tempauth proxy-server\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\nallow_account_management = true\n"
        "[filter:catch_errors]\nuse = egg:swift#catch_errors\n"
        f"[filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{memcached}\n"
        "[filter:s3api]\nuse = egg:swift#s3api\n"
        f"[filter:tempauth]\nuse = egg:swift#tempauth\nuser_tea_owner = {secret} .admin\n"
    )
    quiet = logging.getLogger("swift-test")
    pool = eventlet.GreenPool()
    for kind, socket in sockets.items():
        application = loadapp(str(folder / f"{kind}.conf"))
        pool.spawn(wsgi.server, socket, application, quiet, max_size=CONNECTIONS, log_output=False)
    print(json.dumps({"address": f"http://127.0.0.1:{port}"}), flush=True)
    pool.waitall()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), os.environ["SWIFT_SECRET"])
