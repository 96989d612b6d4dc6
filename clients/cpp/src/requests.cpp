#include "requests.h"

rostra::v1::ChatRequest question(const std::string& model, const std::string& text) {
  rostra::v1::ChatRequest request;
  request.set_model(model);
  auto* message = request.add_messages();
  message->set_role(rostra::v1::ROLE_USER);
  message->add_content()->set_text(text);
  return request;
}

rostra::v1::ChatRequest endless(const std::string& model) {
  auto request = question(model, "Count.");
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_seed(1);
  request.mutable_sampling()->set_ignore_eos(true);
  return request;
}
