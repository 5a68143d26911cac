"""What was erased where, in Portuguese."""

from collections.abc import Mapping

PLACES: Mapping[str, tuple[str, str]] = {
    "interactions": ("pergunta com sua resposta", "perguntas com suas respostas"),
    "feedback": ("avaliação", "avaliações"),
    "feedback_events": ("linha do histórico de avaliações", "linhas do histórico de avaliações"),
    "scores": ("medida de qualidade", "medidas de qualidade"),
    "duels": ("duelo da arena", "duelos da arena"),
    "names": ("registro em que estava o nome", "registros em que estava o nome"),
    "reports": ("relatório de saúde", "relatórios de saúde"),
    "actions": ("ação que citava as perguntas", "ações que citavam as perguntas"),
    "job_logs": ("registro de tarefa sobre as perguntas", "registros de tarefas sobre as perguntas"),
    "cache": ("pergunta do cache de respostas", "perguntas do cache de respostas"),
    "traces": ("traço do MLflow, com suas avaliações", "traços do MLflow, com suas avaliações"),
    "runs": ("execução do MLflow", "execuções do MLflow"),
    "benchmarks": ("benchmark feito com as perguntas", "benchmarks feitos com as perguntas"),
    "gap_lists": ("lista de perguntas sem resposta", "listas de perguntas sem resposta"),
    "exports": ("registro do que o MLflow recebeu", "registros do que o MLflow recebeu"),
    "jobs": ("tarefa pedida", "tarefas pedidas"),
    "policies": ("mudança de experimento", "mudanças de experimentos"),
}
PARTS: Mapping[str, str] = {"store": "banco", "mlflow": "MLflow", "cache": "cache", "files": "arquivos"}


def counted(place: str, count: int) -> str:
    """As in “2 avaliações”."""
    one, many = PLACES[place]
    return f"{count} {one if count == 1 else many}"


def listed(removed: Mapping[str, int]) -> str:
    """The places in a row."""
    return ", ".join(counted(place, count) for place, count in removed.items())
