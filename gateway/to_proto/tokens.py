"""/tokenize and /detokenize."""

from __future__ import annotations

from rostra.gateway.rest_names import RestNames
from rostra.gateway.schemas.tokens import DetokenizeRequest, TokenizeRequest
from rostra.gateway.to_proto.chat import ChatNames, chat_request
from rostra.v1 import inference_pb2


class TokenizeNames(RestNames):
    def __init__(self, body: TokenizeRequest) -> None:
        self._chat = ChatNames(body.chat) if body.chat else None

    def of(self, field: str) -> str:
        if self._chat:
            return self._chat.of(field.removeprefix("chat."))
        return "prompt" if field == "text" else field


class DetokenizeNames(RestNames):
    def of(self, field: str) -> str:
        return "tokens" + field.removeprefix("ids") if field.startswith("ids") else field


def tokenize_request(body: TokenizeRequest) -> inference_pb2.TokenizeRequest:
    request = inference_pb2.TokenizeRequest(
        model=body.model, add_special_tokens=body.add_special_tokens
    )
    if body.chat:
        request.chat.CopyFrom(chat_request(body.chat, ""))
        request.chat.ClearField("request_id")
        # Only false is taken with messages, and that is what happens anyway.
        request.ClearField("add_special_tokens")
    else:
        request.text = body.prompt or ""
    return request


def detokenize_request(body: DetokenizeRequest) -> inference_pb2.DetokenizeRequest:
    return inference_pb2.DetokenizeRequest(model=body.model, ids=body.tokens)
