#include <iostream>

#include "check.h"
#include "commands.h"
#include "refusal.h"

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

namespace {

grpc::Status check_health(Worker& worker, const std::string& service,
                          HealthCheckResponse* response) {
  grpc::ClientContext context;
  context.set_deadline(soon());
  HealthCheckRequest request;
  request.set_service(service);
  return worker.health->Check(&context, request, response);
}

void must_serve(const std::string& what, const HealthCheckResponse& response) {
  const auto& name = HealthCheckResponse::ServingStatus_Name(response.status());
  std::cout << what << ": " << name << std::endl;
  expect(response.status() == HealthCheckResponse::SERVING, "it is not serving");
}

}  // namespace

void health(Worker& worker) {
  HealthCheckResponse response;
  for (const std::string service : {"", "rostra.v1.Inference", "rostra.v1.Control"}) {
    must_be_ok(check_health(worker, service, &response));
    must_serve(service.empty() ? "the server" : service, response);
  }
  expect_refusal(check_health(worker, "no.such.Service", &response), grpc::StatusCode::NOT_FOUND);

  // Watch tells the state at once, and then every change until the caller leaves.
  grpc::ClientContext context;
  context.set_deadline(soon());
  auto watch = worker.health->Watch(&context, HealthCheckRequest());
  expect(watch->Read(&response), "Watch told nothing");
  must_serve("watched", response);
  context.TryCancel();
  expect_refusal(watch->Finish(), grpc::StatusCode::CANCELLED);
}
