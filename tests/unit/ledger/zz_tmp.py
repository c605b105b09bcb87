import importlib.util, sys
spec = importlib.util.spec_from_file_location("ts", "/work/main/tests/unit/ledger/test_secrets.py")
ts = importlib.util.module_from_spec(spec); sys.modules["ts"]=ts; spec.loader.exec_module(ts)
def test_many(benches):
    for n in range(200):
        bench = benches(); bench.server.set_balance("500.00")
        bench.server.fault(["fewer_esims","late_esims","drop_after"][n%3])
        batch = bench.plan(("e1", bench.GB, 12))
        try: bench.place(batch)
        except Exception: pass
        found = ts.leaks(bench)
        assert found == [], (n, [l for l in bench.dump().splitlines() if found[0] in l][:5])
