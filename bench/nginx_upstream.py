"""The upstream of all loads but streams: nginx with a fixed answer."""

from pathlib import Path

from bench import payloads
from bench.processes import Process, Processes, free_port
from bench.programs import Program, path_of

ANSWER = "/v1"
ERRORS = "/errors/v1"
BODIES = "/bodies/v1"

# `return` answers before the body is read. Providers don't do that, and some clients fail on it with a
# large body. For bodies, mirroring therefore makes nginx read all of it first; the file that nginx then
# looks for does not exist, and another file is its answer instead.
_CONFIGURATION = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type application/json;
    client_body_temp_path temp_body;
    proxy_temp_path temp_proxy;
    fastcgi_temp_path temp_fastcgi;
    uwsgi_temp_path temp_uwsgi;
    scgi_temp_path temp_scgi;
    client_max_body_size 64m;
    client_body_buffer_size 2m;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    split_clients "$connection-$connection_requests" $fails {{ 50% 1; * 0; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{ return 200 '{answer}'; }}
        location /errors/ {{
            if ($fails) {{ return 500 '{error}'; }}
            return 200 '{answer}';
        }}
        location /bodies/ {{
            root {directory};
            mirror /discard;
            error_page 404 =200 /answer.json;
            log_not_found off;
        }}
        location = /answer.json {{ root {directory}; }}
        location = /discard {{ internal; return 204; }}
    }}
}}
"""


def start_nginx(processes: Processes, cores: tuple[int, ...], directory: Path) -> tuple[Process, str]:
    """Start nginx; return its process and its `HOST:PORT`.

    Half of the requests below `ERRORS` fail; below `BODIES` the body is read to its end.
    """
    directory.mkdir()
    port = free_port()
    answer = payloads.chat_answer().decode()
    configuration = _CONFIGURATION.format(
        port=port, answer=answer, error=payloads.error_answer().decode(), directory=directory
    )
    (directory / "nginx.conf").write_text(configuration)
    (directory / "answer.json").write_text(answer)
    prefix = ["-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", "stderr"]
    process = processes.start("nginx", [path_of(Program.NGINX), *prefix], cores)
    process.wait_listening(port)
    return process, f"127.0.0.1:{port}"
