// A worker's three services, over one connection.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "grpc/health/v1/health.grpc.pb.h"
#include "rostra/v1/control.grpc.pb.h"
#include "rostra/v1/inference.grpc.pb.h"

class Worker {
 public:
  // Waits for the connection, so that no later call's deadline is spent on it.
  explicit Worker(const std::string& address);

  // The model of that name; with an empty name the first, which is the only one that is no adapter.
  rostra::v1::ModelInfo model(const std::string& name);
  rostra::v1::GetLoadResponse load();
  // Waits until the worker runs nothing: what ended here has ended there too.
  rostra::v1::GetLoadResponse idle();

  std::unique_ptr<rostra::v1::Inference::Stub> inference;
  std::unique_ptr<rostra::v1::Control::Stub> control;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;

 private:
  explicit Worker(const std::shared_ptr<grpc::Channel>& channel, const std::string& address);
};

// The deadline of a call that must be answered at once.
std::chrono::system_clock::time_point soon();
