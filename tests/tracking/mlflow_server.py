"""MLflow's own server application on loopback, with its sqlite store: ``DATABASE ARTIFACTS PORT``.

The command `mlflow server` wraps the same application in what needs pandas and more.
"""

import os
import sys

os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{sys.argv[1]}"
os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"] = sys.argv[2]
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow.server import app
from mlflow.store.db.utils import _initialize_tables
from sqlalchemy import create_engine
from werkzeug.serving import make_server

_initialize_tables(create_engine(f"sqlite:///{sys.argv[1]}"))
server = make_server("127.0.0.1", int(sys.argv[3]), app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
