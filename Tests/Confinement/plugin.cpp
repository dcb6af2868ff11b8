// What a provider's file may need of its process when it is loaded and called: the C++ library, exceptions, threads, the time zone.
#include <ctime>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

extern "C" int plugin_answer() {
  int answer = 0;
  std::time_t now = std::time(nullptr);
  if (std::localtime(&now) == nullptr) return 0;
  std::thread([&] {
    try {
      throw std::runtime_error(std::to_string(42));
    } catch (const std::exception &error) {
      answer = std::stoi(error.what());
    }
  }).join();
  return answer;
}
