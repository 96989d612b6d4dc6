#include "answer.h"
#include "check.h"
#include "commands.h"
#include "requests.h"

void chat(Worker& worker, const std::string& model, const std::string& prompt) {
  auto request = question(model, prompt);
  request.mutable_sampling()->set_temperature(0);
  request.mutable_sampling()->set_max_tokens(64);
  expect(!read_answer(worker, request).text.empty(), "no text came");
}
