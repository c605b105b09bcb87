def test_smoke(desk):
    v = desk.validate(); print(v)
    a = desk.place(); print(a)
    assert desk.place() == a
    print(desk.export())
    desk.sandbox.install_all(); desk.sandbox.activate_all()
    assert desk.sensor().execute({}) is None

def test_home(open_home, sandbox):
    sandbox.set(auto_lifecycle=0.2)
    h = open_home(sandbox)
    [r] = h.run("bulk_provisioning", {"conf": {"client":"acme","destination":str(h.kits)}})
    print(r); print(h._started[0].told[-3000:])

def test_retry(home, sandbox, tmp_path):
    from airflow_lab.desk import written, GB
    m = written(tmp_path, [f"r{i},{GB},2" for i in range(4)])
    sandbox.fault("drop_after", nth=2)
    rs = home.run("retried", {"conf": {"manifest": m}}, {"clear":["place"]}, {"conf": {"manifest": m}})
    print(rs)
    print(home._started[0].told[-9000:])
    print(len(sandbox.orders()))
