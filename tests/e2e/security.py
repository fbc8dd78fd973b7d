"""Cases: who may see and do what, asked of the running binary from outside: TLS, passwords, roles, Host and Origin."""

import base64
import http.client
import json
import socket
import ssl
import subprocess
import time
import warnings

from gateway import Gateway, Log
from harness import Failure, Process, equal, free_port, require, wait

# Password and bcrypt hash of each user; what they may do is said in `roles`. One who is not listed there is a viewer.
USERS = {
    "prometheus": ("scrape-me", "$2y$05$Wm0cZ8sUoWc1f1W9Xh2uXeD.rZPbbwZUkqbaDTDeAP0n5HCjvovvy"),
    "eve": ("look-only", "$2y$05$Wm0cZ8sUoWc1f1W9Xh2uXecbXh01v2DgYpT2mGvNEdKaAuzRisVtu"),
    "ops": ("may-do-all", "$2y$05$Wm0cZ8sUoWc1f1W9Xh2uXedY/K3YSSYoVPfxxuJAVHswEMvyIG2wG"),
}
ROLES = {"prometheus": "metrics", "ops": "admin"}
JSON = {"Content-Type": "application/json"}


def outside():
    """An address of this machine that is not loopback. No packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.254", 9))
            address = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    require(not address.startswith("127."), "this machine has no address beyond loopback to ask from")
    return address


class Guarded(Process):
    """A running `tokentail run` with a section `web`, on all addresses."""

    def __init__(self, case, web):
        log = Log(case.folder / "log/access.log", Gateway(7))
        log.append(20)
        self.port = free_port()
        config = case.folder / "tokentail.yaml"
        # JSON is YAML.
        settings = {
            "listen": [f"0.0.0.0:{self.port}"],
            "data_dir": str(case.folder / "data"),
            "sources": [{"name": "higress", "format": "higress", "path": str(log.path)}],
            "web": web,
        }
        config.write_text(json.dumps(settings))
        super().__init__(case, "tokentail", [case.binary, "run", "--config", config])

    def ready(self, tls=None):
        def answers():
            require(self.alive(), f"tokentail ended by itself:\n{self.tail()}")
            try:
                # Metrics wait for the log's history, which is no reason not to be ready.
                return self.ask("/-/ready", tls=tls)[0] == 200 and self.ask("/metrics", tls=tls)[0] != 503
            except OSError:
                return False

        wait(answers, "/-/ready answers 200, and the history is read")
        return self

    def ask(self, path, method="GET", headers=(), body=b"", address="127.0.0.1", tls=None, user=None):
        """Status, headers and text of one answer. `headers` are pairs or a dict; a Host among them is the only one."""
        pairs = list(headers.items()) if isinstance(headers, dict) else list(headers)
        if user:
            secret = base64.b64encode(":".join(user).encode()).decode()
            pairs.append(("Authorization", f"Basic {secret}"))
        if tls:
            connection = http.client.HTTPSConnection(address, self.port, timeout=10, context=tls)
        else:
            connection = http.client.HTTPConnection(address, self.port, timeout=10)
        try:
            skip = any(name == "Host" for name, _ in pairs)
            connection.putrequest(method, path, skip_host=skip, skip_accept_encoding=True)
            for name, value in pairs:
                if value is not None:
                    connection.putheader(name, value)
            if method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def expect(self, status, path, *, code=None, says="", **how):
        got, headers, text = self.ask(path, **how)
        equal(got, status, f"status of {path} with {how} ({text[:200]!r})")
        if code:
            equal(json.loads(text)["error"]["code"], code, f"error code of {path} with {how}")
        require(says in text, f"{path} with {how} does not say {says!r}: {text[:300]!r}")
        return headers, text


def beyond_loopback_without_users_only_metrics_and_health_answer(case):
    tokentail = Guarded(case, {}).ready()
    address = outside()
    for path in ("/metrics", "/-/healthy", "/-/ready"):
        tokentail.expect(200, path, address=address)
    refused = {"code": "authentication_not_configured", "says": "web.config_file"}
    tokentail.expect(403, "/", address=address, **refused)
    tokentail.expect(403, "/-/reload", method="POST", headers=JSON, address=address, **refused)
    # Direct loopback is the administrator; what a proxy forwarded comes from who knows where.
    tokentail.expect(200, "/")
    tokentail.expect(200, "/-/reload", method="POST", headers=JSON)
    for header in ("X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"):
        for method, path in (("GET", "/"), ("POST", "/-/reload")):
            tokentail.expect(403, path, method=method, headers={header: "198.51.100.9"}, **refused)
        tokentail.expect(200, "/metrics", headers={header: "198.51.100.9"})


def a_name_that_is_not_ours_gets_nothing_but_health(case):
    tokentail = Guarded(case, {"allowed_hosts": ["tokentail.test"]}).ready()
    port = tokentail.port
    for host in ("attacker.example", f"attacker.example:{port}", "tokentail.test.attacker.example", "localhost.evil"):
        for method, path in (("GET", "/"), ("GET", "/metrics"), ("POST", "/-/reload")):
            refused = {"code": "host_not_allowed", "says": "web.allowed_hosts"}
            tokentail.expect(403, path, method=method, headers={"Host": host}, **refused)
        for path in ("/-/healthy", "/-/ready"):
            tokentail.expect(200, path, headers={"Host": host})
    for host in ("tokentail.test", f"TOKENTAIL.test:{port}", "localhost", f"127.0.0.1:{port}", f"{outside()}:{port}"):
        tokentail.expect(200, "/metrics", headers={"Host": host})
    for odd in ([("Host", "localhost"), ("Host", "attacker.example")], [("Host", "a@localhost")], [("Host", None)]):
        tokentail.expect(400, "/metrics", code="bad_host", headers=odd)


def only_our_own_pages_and_programs_write(case):
    tokentail = Guarded(case, {}).ready()
    write = {"path": "/-/reload", "method": "POST"}
    own = f"http://127.0.0.1:{tokentail.port}"
    for headers in (
        {"Origin": "http://attacker.example"},
        {"Origin": "null"},
        {"Origin": f"https://127.0.0.1:{tokentail.port}"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        [("Origin", own), ("Origin", "http://attacker.example")],
    ):
        tokentail.expect(403, code="cross_origin", headers=headers, **write)
    # What a form of a page can send.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", None):
        tokentail.expect(415, code="content_type", headers=[("Content-Type", kind)], body=b"{}", **write)
    tokentail.expect(200, headers={"Origin": own, "Sec-Fetch-Site": "same-origin"} | JSON, body=b"{}", **write)
    tokentail.expect(200, **write)
    tokentail.expect(405, "/-/reload")
    large = JSON | {"Content-Length": str(1 << 30)}
    status, _, _ = tokentail.ask("/metrics", headers=large)
    equal(status, 413, "status where a body of 1 GiB is announced")


def openssl(case, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=case.folder, capture_output=True, check=False)
    require(done.returncode == 0, f"openssl {arguments} fails: {done.stderr.decode(errors='replace')[-500:]}")


def certificates(case):
    """An authority, and by it a certificate for every address of the server and one for a client."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    openssl(case, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority")
    names = f"subjectAltName=IP:127.0.0.1,IP:{outside()}"
    for name, extensions in (("server", ["-addext", names]), ("client", ["-addext", "extendedKeyUsage=clientAuth"])):
        openssl(case, "req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}", *extensions)
        signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy", "-days", "2"]
        openssl(case, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")


def trusting(case, client=False):
    context = ssl.create_default_context(cafile=case.folder / "ca.pem")
    if client:
        context.load_cert_chain(case.folder / "client.pem", case.folder / "client.key")
    return context


def web_file(case, users, **tls):
    tls = {"cert_file": "server.pem", "key_file": "server.key"} | tls
    hashes = {name: USERS[name][1] for name in users}
    aside = case.folder / "web.aside"
    aside.write_text(json.dumps({"tls_server_config": tls} | ({"basic_auth_users": hashes} if hashes else {})))
    aside.rename(case.folder / "web.yaml")


def nothing_answers(tokentail, what, reason, **how):
    """The connection ends with an error that says `reason`, from whoever of the two found it."""
    try:
        status, _, _ = tokentail.ask("/metrics", **how)
    except (OSError, http.client.HTTPException) as error:
        said = f"{type(error).__name__}: {error}"
        require(reason in said, f"{what} ends with {said}, expected {reason}")
        return
    raise Failure(f"{what} was answered with {status}")


def behind_tls_each_user_may_do_what_its_role_says_from_wherever_it_comes(case):
    certificates(case)
    web_file(case, USERS)
    tls = trusting(case)
    tokentail = Guarded(case, {"config_file": "web.yaml", "roles": ROLES}).ready(tls)
    everyone = {name: (name, password) for name, (password, _) in USERS.items()}
    for address in ("127.0.0.1", outside()):
        here = {"address": address, "tls": tls}
        for path in ("/-/healthy", "/-/ready"):
            tokentail.expect(200, path, **here)
        for path in ("/", "/metrics"):
            headers, _ = tokentail.expect(401, path, code="unauthorized", **here)
            require(headers["WWW-Authenticate"].startswith("Basic"), f"asks for {headers['WWW-Authenticate']!r}")
            for wrong in (("ops", "look-only"), ("ops", ""), ("nobody", "may-do-all"), ("ops", "x" * 5000)):
                tokentail.expect(401, path, user=wrong, **here)
        tokentail.expect(401, "/-/reload", method="POST", headers=JSON, **here)
        for name, may in (("prometheus", (200, 403, 403)), ("eve", (200, 200, 403)), ("ops", (200, 200, 200))):
            how = here | {"user": everyone[name]}
            for (method, path), status in zip((("GET", "/metrics"), ("GET", "/"), ("POST", "/-/reload")), may):
                code = "role_missing" if status == 403 else None
                tokentail.expect(status, path, method=method, code=code, **how)
        # A password does not open what the Host and Origin rules close.
        how = here | {"user": everyone["ops"]}
        tokentail.expect(403, "/", headers={"Host": "attacker.example"}, code="host_not_allowed", **how)
        evil = {"Origin": "https://attacker.example"}
        tokentail.expect(403, "/-/reload", method="POST", headers=evil, code="cross_origin", **how)
    nothing_answers(tokentail, "plain HTTP on the TLS port", "BadStatusLine", user=everyone["ops"])
    stranger = ssl.create_default_context()
    nothing_answers(tokentail, "a client that does not trust us", "CERTIFICATE_VERIFY_FAILED", tls=stranger)
    old = trusting(case)
    # Else the client itself would refuse it.
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    nothing_answers(tokentail, "TLS 1.1", "ALERT", tls=old, user=everyone["ops"])
    # A user who is taken out of the file is out without a reload; a broken file changes nothing.
    time.sleep(0.05)
    web_file(case, ["prometheus", "ops"])
    tokentail.expect(401, "/metrics", user=everyone["eve"], tls=tls)
    (case.folder / "web.yaml").write_text("basic_auth_users: {ops: plain}\n")
    tokentail.expect(401, "/metrics", tls=tls)
    tokentail.expect(200, "/metrics", user=everyone["prometheus"], tls=tls)
    said = tokentail.log.read_text(errors="replace")
    for password, digest in USERS.values():
        require(password not in said and digest not in said, "the log names a password or its hash")


def with_client_certificates_who_shows_none_is_not_heard(case):
    certificates(case)
    web_file(case, [], client_ca_file="ca.pem", client_auth_type="RequireAndVerifyClientCert")
    known = trusting(case, client=True)
    tokentail = Guarded(case, {"config_file": "web.yaml", "roles": {"certificate": "metrics"}}).ready(known)
    for address in ("127.0.0.1", outside()):
        how = {"tls": trusting(case), "address": address}
        nothing_answers(tokentail, "a client without a certificate", "ALERT_CERTIFICATE_REQUIRED", **how)
        tokentail.expect(200, "/metrics", tls=known, address=address)
        tokentail.expect(403, "/", code="role_missing", tls=known, address=address)


CASES = [
    beyond_loopback_without_users_only_metrics_and_health_answer,
    a_name_that_is_not_ours_gets_nothing_but_health,
    only_our_own_pages_and_programs_write,
    behind_tls_each_user_may_do_what_its_role_says_from_wherever_it_comes,
    with_client_certificates_who_shows_none_is_not_heard,
]
