#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "answer.h"
#include "check.h"
#include "commands.h"
#include "requests.h"

void tools(Worker& worker, const std::string& model) {
  auto request = question(model, "How warm is it in Paris?");
  request.mutable_sampling()->set_temperature(1);
  request.mutable_sampling()->set_seed(1);
  request.mutable_sampling()->set_max_tokens(256);
  auto* tool = request.add_tools();
  tool->set_name("get_temperature");
  tool->set_description("The temperature in a city, in degrees Celsius.");
  tool->set_parameters_schema(R"({"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}},
                                  "required": ["city"], "additionalProperties": false})");
  tool->set_strict(true);
  request.mutable_tool_choice()->set_mode(rostra::v1::ToolChoice::MODE_REQUIRED);
  request.set_parallel_tool_calls(false);

  const auto called = read_answer(worker, request);
  expect(called.finish == rostra::v1::FINISH_REASON_TOOL_CALLS,
         "a call was required, and none came");
  expect(called.calls.size() == 1, "one call was allowed, and more came");
  const auto& call = called.calls.front();
  expect(call.name() == "get_temperature", "a call of " + call.name());
  google::protobuf::Struct arguments;
  expect(google::protobuf::util::JsonStringToMessage(call.arguments(), &arguments).ok(),
         call.arguments() + " is no JSON object");
  const auto city = arguments.fields().find("city");
  expect(city != arguments.fields().end() && (city->second.string_value() == "Paris" ||
                                              city->second.string_value() == "Rome"),
         call.arguments() + " is not by the schema");

  // The history goes on with the call and its result; the id says which call it answers.
  auto* assistant = request.add_messages();
  assistant->set_role(rostra::v1::ROLE_ASSISTANT);
  *assistant->add_tool_calls() = call;
  auto* result = request.add_messages();
  result->set_role(rostra::v1::ROLE_TOOL);
  result->set_tool_call_id(call.id());
  result->add_content()->set_text(R"({"celsius": 21})");
  request.mutable_tool_choice()->set_mode(rostra::v1::ToolChoice::MODE_NONE);
  const auto answer = read_answer(worker, request);
  expect(answer.calls.empty(), "a call came where none was allowed");
  expect(!answer.text.empty(), "no text came");
}
