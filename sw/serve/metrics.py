"""What a server counts, for Prometheus."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from twofold.sw.serve.batching import Batcher
from twofold.sw.serve.live import Live

BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of a server and its models.

    Parameters
    ----------
    batchers: of the models, by name.
    live: live sessions of the models that hear, by name.
    """

    def __init__(self, batchers: Mapping[str, Batcher], live: Mapping[str, Live]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "twofold_requests", "Inference requests, by model and HTTP status.",
            ("model", "status"), registry=self._registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "twofold_request_seconds", "From a request's arrival to its answer.",
            ("model",), buckets=BUCKETS, registry=self._registry,
        )  # fmt: skip
        self._registry.register(_OfBatchers(batchers))
        self._registry.register(_OfLive(live))

    def answered(self, model: str, status: int, seconds: float) -> None:
        """Count an inference request."""
        self._requests.labels(model, str(status)).inc()
        self._seconds.labels(model).observe(seconds)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _OfBatchers(Collector):
    def __init__(self, batchers: Mapping[str, Batcher]) -> None:
        self._batchers = batchers

    def collect(self) -> Iterable[Metric]:
        """What the batchers count themselves."""
        runs = CounterMetricFamily("twofold_runs", "Runs of the device.", labels=["model"])
        samples = CounterMetricFamily("twofold_samples", "Samples computed.", labels=["model"])
        waiting = GaugeMetricFamily("twofold_waiting", "Samples that wait.", labels=["model"])
        for name, batcher in self._batchers.items():
            runs.add_metric([name], batcher.runs)
            samples.add_metric([name], batcher.samples)
            waiting.add_metric([name], batcher.waiting)
        return runs, samples, waiting


class _OfLive(Collector):
    def __init__(self, live: Mapping[str, Live]) -> None:
        self._live = live

    def collect(self) -> Iterable[Metric]:
        """What the live sessions count."""
        streams = GaugeMetricFamily("twofold_streams", "Live streams.", labels=["model"])
        windows = CounterMetricFamily("twofold_windows", "Windows of them.", labels=["model"])
        for name, live in self._live.items():
            streams.add_metric([name], len(live.sessions))
            windows.add_metric([name], live.windows)
        return streams, windows
