"""What another worker made of a request before its stream broke, and how to go on behind it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from rostra.mesh.engine.messages import FinishReason, OutputToken, RequestOutput
from rostra.mesh.text import OutputText
from rostra.mesh.worker.checks import Checks
from rostra.mesh.worker.parsed_output import ParsedOutput
from rostra.mesh.worker.sampling import Sampling
from rostra.mesh.worker.status import Violation, invalid_argument, unavailable
from rostra.v1 import chat_pb2, inference_pb2


@dataclass(frozen=True)
class OutputSoFar:
    """One output of a request, as far as its reader knows of it."""

    token_ids: Sequence[int]
    finished: bool

    def output(self, stop_token_ids: Collection[int]) -> RequestOutput:
        """As the engine would tell it in one."""
        tokens = [OutputToken(token_id) for token_id in self.token_ids]
        if not self.finished:
            return RequestOutput(request_id="", tokens=tokens)
        last = self.token_ids[-1]
        if last in stop_token_ids:
            return RequestOutput(
                request_id="", tokens=tokens, finish=FinishReason.STOP, stop_token_id=last
            )
        # Or a stop string, which is found again.
        return RequestOutput(request_id="", tokens=tokens, finish=FinishReason.LENGTH)


Resumed = Mapping[int, OutputSoFar]
"""By the index of the output."""


def read_resumed(
    request: chat_pb2.ChatRequest | inference_pb2.GenerateRequest,
    sampling: Sampling,
    vocab_size: int,
    checks: Checks,
) -> Resumed:
    """Reports to `checks` what cannot have been made of the request."""
    found: dict[int, OutputSoFar] = {}
    for position, proto in enumerate(request.resumed):
        field = f"resumed[{position}]"
        if proto.index >= sampling.n or proto.index in found:
            checks.invalid(f"{field}.index", "must be of one output each, below sampling.n")
        if not proto.token_ids:
            checks.invalid(f"{field}.token_ids", "must not be empty")
        elif max(proto.token_ids) >= vocab_size:
            checks.invalid(f"{field}.token_ids", f"must be inside the vocabulary of {vocab_size}")
        most = sampling.max_tokens
        finished = proto.HasField("finish")
        if most is not None and len(proto.token_ids) >= most + finished:
            checks.invalid(f"{field}.token_ids", f"leaves nothing of max_tokens {most}")
        found[proto.index] = OutputSoFar(list(proto.token_ids), finished)
    if request.resumed and request.sampling.HasField("prompt_logprobs"):
        checks.invalid("sampling.prompt_logprobs", "were sent by the stream that is resumed")
    return found


class Standing:
    """An output that was begun elsewhere, brought to where the reader of its broken stream stands.

    Tokens whose text was held back are not known with their log-probabilities. Where those are
    asked for, the engine makes these tokens again, and they are taken out of what it makes.
    """

    def __init__(
        self,
        so_far: OutputSoFar,
        make_text: Callable[[], OutputText | ParsedOutput],
        stop_token_ids: Collection[int],
        *,
        with_logprobs: bool,
    ) -> None:
        """Raises RpcError where the output has ended, and is not said to have."""
        whole = so_far.output(stop_token_ids)
        self.text = make_text()
        self.released = self.text.take(whole)
        """What was sent of it."""
        if self.released.ends and not so_far.finished:
            raise invalid_argument([Violation("resumed", "has ended at a stop string or a call")])
        self.token_ids = list(so_far.token_ids)
        """That the engine begins with."""
        self._awaited: list[int] = []
        num_sent = len(self.released.tokens)
        if with_logprobs and not so_far.finished and num_sent < len(self.token_ids):
            self._awaited = self.token_ids[num_sent:]
            del self.token_ids[num_sent:]
            self.text = make_text()
            self.text.take(RequestOutput(request_id="", tokens=whole.tokens[:num_sent]))

    def take(self, output: RequestOutput) -> RequestOutput:
        """What of `output` is new. Raises RpcError where it is not what it was."""
        if not self._awaited:
            return output
        again = output.tokens[: len(self._awaited)]
        made = [token.id for token in again]
        left = self._awaited[len(made) :]
        ends = output.finish is not None and len(again) == len(output.tokens)
        if made != self._awaited[: len(made)] or ends:
            raise unavailable("engine_failed", "the engine makes other tokens than were begun with")
        self.text.take(RequestOutput(request_id="", tokens=again))
        self._awaited = left
        return msgspec.structs.replace(output, tokens=output.tokens[len(again) :])
