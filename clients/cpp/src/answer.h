// Reads a chat's stream, prints it as it comes, and holds it to the rules that chat.proto has for it.
#pragma once

#include <string>
#include <vector>

#include "worker.h"

struct Answer {
  std::string text;
  std::vector<rostra::v1::ToolCall> calls;
  rostra::v1::FinishReason finish = rostra::v1::FINISH_REASON_UNSPECIFIED;
};

Answer read_answer(Worker& worker, const rostra::v1::ChatRequest& request);
