"""The names that the user's guide imports: where the index and the history are, which embeddings."""

from melancia.settings import get_settings

VECTOR_DB_DIR = get_settings().index_dir
EMBEDDING_MODEL = get_settings().embedding_model
HISTORY_FILE = get_settings().data_dir / "history.jsonl"
