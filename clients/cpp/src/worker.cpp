#include "worker.h"

#include <iostream>
#include <thread>

#include "check.h"
#include "refusal.h"

namespace v1 = rostra::v1;

std::chrono::system_clock::time_point soon() {
  return std::chrono::system_clock::now() + std::chrono::seconds(20);
}

Worker::Worker(const std::string& address)
    : Worker(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()), address) {}

Worker::Worker(const std::shared_ptr<grpc::Channel>& channel, const std::string& address)
    : inference(v1::Inference::NewStub(channel)),
      control(v1::Control::NewStub(channel)),
      health(grpc::health::v1::Health::NewStub(channel)) {
  expect(channel->WaitForConnected(soon()), "no worker at " + address);
}

v1::ModelInfo Worker::model(const std::string& name) {
  grpc::ClientContext context;
  context.set_deadline(soon());
  v1::GetModelInfoRequest request;
  request.set_model(name);
  v1::GetModelInfoResponse response;
  must_be_ok(control->GetModelInfo(&context, request, &response));
  expect(response.models_size() > 0, "the worker serves no model");
  return response.models(0);
}

v1::GetLoadResponse Worker::load() {
  grpc::ClientContext context;
  context.set_deadline(soon());
  v1::GetLoadResponse response;
  must_be_ok(control->GetLoad(&context, {}, &response));
  return response;
}

v1::GetLoadResponse Worker::idle() {
  const auto end = soon();
  for (;;) {
    const auto now = load();
    if (now.running_requests() + now.waiting_requests() == 0) {
      std::cout << "load       0 running, 0 waiting" << std::endl;
      return now;
    }
    expect(std::chrono::system_clock::now() < end,
           "the worker still runs " + std::to_string(now.running_requests()) + " requests");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}
