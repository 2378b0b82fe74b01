"""A small client of Gitea's API and of git over HTTP, for `seed` and `facts`; it knows where the sandbox's Gitea is."""
import base64
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

BASE = 'http://10.200.0.2:30300'
ADMIN = ('root1', 'Rt5QwZ8nKcVb2XsL7y')
PAGE = 50
TRIES = 5
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names


class Answer(Exception):
    """An answer that is not 2xx."""

    def __init__(self, method, path, status, body):
        super().__init__(f'{method} {path} answered {status}: {body[:300]!r}')
        self.status = status


def authorization(account):
    """`account` is a token, or user and password."""
    if isinstance(account, str):
        return 'token ' + account
    return 'Basic ' + base64.b64encode(':'.join(account).encode()).decode()


def request(method, url, account, data=None, kind='application/json'):
    """Sends a request; a connection that breaks or a 5xx is tried again, since a replaced pgpool costs one each. What is
    there already when it is tried again was made by the try whose answer was lost."""
    for left in reversed(range(TRIES)):
        ask = urllib.request.Request(url, method=method, data=data,
                                     headers={'Authorization': authorization(account), 'Content-Type': kind})
        try:
            with DIRECT.open(ask, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code in (409, 422) and left < TRIES - 1:
                return b''
            if error.code < 500 or not left:
                raise Answer(method, url, error.code, error.read()) from None
        except OSError:
            if not left:
                raise
        time.sleep(1)


def api(method, path, account=ADMIN, body=None):
    data = json.dumps(body).encode() if body is not None else None
    answer = request(method, f'{BASE}/api/v1{path}', account, data)
    return json.loads(answer) if answer else None


def listing(path, account=ADMIN):
    """Every item of a paged list."""
    joint = '&' if '?' in path else '?'
    items, page = [], 1
    while True:
        part = api('GET', f'{path}{joint}limit={PAGE}&page={page}', account)
        part = part['data'] if isinstance(part, dict) else part
        items += part
        if len(part) < PAGE:
            return items
        page += 1


def attach(path, account, name, content):
    """Uploads `content` as a multipart form's `attachment`."""
    border = 'railrun-sandbox-border'
    head = (f'--{border}\r\nContent-Disposition: form-data; name="attachment"; filename="{name}"\r\n'
            'Content-Type: application/octet-stream\r\n\r\n')
    data = head.encode() + content + f'\r\n--{border}--\r\n'.encode()
    return json.loads(request('POST', f'{BASE}/api/v1{path}', account, data, f'multipart/form-data; boundary={border}'))


def logs_in(user, password):
    """True where the password is taken; Gitea also says 401 when its database is away, so ask a healthy one."""
    try:
        return api('GET', '/user', (user, password))['login'] == user
    except Answer as answer:
        if answer.status in (401, 403):
            return False
        raise


def git(*arguments, account=None, folder=None, data=None):
    """Runs git; with an account it is used for HTTP, by a header that does not show among the arguments."""
    environment = {**os.environ, 'GIT_TERMINAL_PROMPT': '0', 'GIT_CONFIG_GLOBAL': '/dev/null',
                   'GIT_CONFIG_SYSTEM': '/dev/null', 'no_proxy': '*'}
    if account:
        environment |= {'GIT_CONFIG_COUNT': '1', 'GIT_CONFIG_KEY_0': 'http.extraHeader',
                        'GIT_CONFIG_VALUE_0': 'Authorization: ' + authorization(account)}
    done = subprocess.run(['git', *arguments], cwd=folder, input=data, capture_output=True, env=environment, timeout=120)
    if done.returncode:
        raise RuntimeError(f'git {" ".join(arguments)} exited {done.returncode}: {done.stderr.decode()[-500:]}')
    return done.stdout.decode()


def refs(repository, account=ADMIN):
    """Every ref of a repository and the commit it points to, as git sees them over HTTP."""
    lines = git('ls-remote', f'{BASE}/{repository}.git', account=account).splitlines()
    return {ref: commit for commit, ref in (line.split('\t') for line in lines)}
