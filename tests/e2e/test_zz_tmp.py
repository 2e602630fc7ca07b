from __future__ import annotations
import uv, re
from .stub_torch import Stubs
from .stub_projects import *
def test_it(stubs: Stubs):
    for path in (None, "ext"):
        place = stubs.workplace()
        p = Package(name="ext-dynamic", dynamic=True)
        publish(stubs, p)
        if path: p.write(place.folder / "app" / "ext")
        app = write_app(place.folder / "app", "torch==2.8.0", p.name, path=path, name=p.name)
        o = place.run([uv.find_uv_bin(), "sync", "-v"], cwd=app, TORCHGRAFT_LOG="plan")
        print("=======", path); print("\n".join(l for l in o.said.splitlines() if re.search(r"Calling|Lock|lock|Build|build|Reus|reus|way|requires|torch=|front end|->", l)))
