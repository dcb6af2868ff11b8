/* The smallest program that resolves one name: once NAME ADDRESS succeeds if that is the answer. What it costs to start it is what a
   program pays that has not resolved anything before. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>

int main(int count, char **words) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  struct in_addr expected;
  if (count != 3 || inet_pton(AF_INET, words[2], &expected) != 1 || getaddrinfo(words[1], NULL, &hints, &found) != 0) return 1;
  return ((struct sockaddr_in *)found->ai_addr)->sin_addr.s_addr != expected.s_addr;
}
