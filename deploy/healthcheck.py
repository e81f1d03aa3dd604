"""Checks the health of the gateway in this container: exits with 0 if `/health` answers 200.

With TLS the certificate is not verified: it has public names, and this call stays in the container.
"""

import os
import ssl
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 3.0


def main() -> int:
    """Ask `/health`; return the exit status."""
    port = os.environ.get("TOLLKEEPER_CONSOLE_ADDRESS", ":8080").rpartition(":")[2]
    tls = os.environ.get("TOLLKEEPER_TLS", "off") != "off" or "TOLLKEEPER_TLS_CERT" in os.environ
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/health"
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS):
            return 0
    except (OSError, urllib.error.URLError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
