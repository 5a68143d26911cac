"""Healthy when the database answers through the API. ``/health`` says 200 with the database down."""

import sys
import urllib.error
import urllib.request

try:
    address = "http://127.0.0.1:5000/api/2.0/mlflow/experiments/search?max_results=1"
    urllib.request.urlopen(address, timeout=5).read()
except (urllib.error.URLError, OSError) as error:
    sys.exit(str(error))
