# Medians of what measure.sh has recorded: one JSON line each on standard output, and the tables in the file `tables`.
# A record is: what, names, clients, peer, figure.

function median(key,    words, count, i, j, value) {
  count = split(records[key], words, " ")
  for (i = 2; i <= count; i++) {
    value = words[i] + 0
    for (j = i - 1; j >= 1 && words[j] + 0 > value; j--) words[j + 1] = words[j]
    words[j + 1] = value
  }
  return count % 2 ? words[(count + 1) / 2] + 0 : (words[count / 2] + words[count / 2 + 1]) / 2
}

# One line. Goals are on the ratio: at most that, or with `least` at least.
function report(name, value, unit, floor, floor_of, goal, least,    line, ratio, is_met) {
  line = sprintf("{\"name\":\"peers.%s\",\"value\":%.3g,\"unit\":\"%s\"", name, value, unit)
  if (value > 0 && floor > 0) {
    ratio = value / floor
    line = line sprintf(",\"floor\":%.3g,\"floor_of\":\"%s\",\"ratio\":%.3g", floor, floor_of, ratio)
    if (goal != "") {
      is_met = least ? ratio >= goal : ratio <= goal
      line = line sprintf(",\"goal\":%.3g,\"goal_of\":\"ratio\",\"met\":%s", goal, is_met ? "true" : "false")
    }
  }
  print line "}"
}

# A cell of a table: the figure in words, and its ratio.
function cell(value, floor) {
  if (value == "") return "-"
  return value > 0 && floor > 0 ? sprintf("%s (%s)", short(value), short(value / floor)) : short(value)
}
function short(value) { return value >= 100 ? sprintf("%.0f", value) : value >= 10 ? sprintf("%.1f", value) : sprintf("%.3g", value) }

# A table has a row for each size (and number of clients), a column for each peer.
function table(what, title, unit, floor_peer, by_clients,    n, c, p, row, key) {
  printf "\n**%s**, in %s; in brackets the ratio to `%s`.\n\n", title, unit, floor_peer >tables
  printf "| names |%s", by_clients ? " clients |" : "" >tables
  for (p = 1; p <= peer_count; p++) printf " `%s` |", peer_of[p] >tables
  printf "\n|---:|%s", by_clients ? "---:|" : "" >tables
  for (p = 1; p <= peer_count; p++) printf "---:|" >tables
  printf "\n" >tables
  for (n = 1; n <= size_count; n++) for (c = 1; c <= (by_clients ? client_count : 1); c++) {
    key = what " " size_of[n] " " (by_clients ? client_of[c] : 0) " "
    row = by_clients ? size_of[n] " | " client_of[c] : size_of[n]
    for (p = 1; p <= peer_count; p++) row = row " | " cell(figure[key peer_of[p]], figure[key floor_peer])
    print "| " row " |" >tables
  }
}

{ records[$1 " " $2 " " $3 " " $4] = records[$1 " " $2 " " $3 " " $4] " " $5 }

END {
  size_count = split(names, size_of, " ")
  client_count = split(clients, client_of, " ")
  peer_count = split(peers, peer_of, " ")
  for (key in records) {
    split(key, part, " ")
    # Thousands a second, and MiB of the KiB that the kernel counts in.
    figure[key] = median(key) / (part[1] == "throughput" ? 1000 : part[1] == "memory" ? 1024 : 1)
  }
  for (n = 1; n <= size_count; n++) {
    size = size_of[n]
    for (p = 1; p <= peer_count; p++) {
      peer = peer_of[p]
      for (c = 1; c <= client_count; c++) {
        at = " " size " " client_of[c] " "
        label = "." size "x" client_of[c]
        goal = peer == "nsp" ? 1 : ""
        report(peer ".p50" label, figure["p50" at peer], "us", figure["p50" at "nscd"], "nscd", goal)
        report(peer ".p99" label, figure["p99" at peer], "us", figure["p99" at "nscd"], "nscd")
        report(peer ".throughput" label, figure["throughput" at peer], "1000/s", figure["throughput" at "nscd"], "nscd", goal, 1)
      }
      at = " " size " 0 "
      # The fewer names, the less `files` has to read and the harder the goal.
      report(peer ".start." size, figure["start" at peer], "us", figure["start" at "files"], "files", peer == "nsp" && n == 1 ? 1.2 : "")
      report(peer ".memory." size, figure["memory" at peer], "MiB", figure["memory" at "nscd"], "nscd")
    }
  }
  at = "p50 100000 1 "
  if (figure[at "nsp"] != "" && figure[at "files"] != "")
    report("nsp.beside-files.100000x1", figure[at "nsp"], "us", figure[at "files"], "files", 0.02)

  printf "Measured on %s: %s (%s, %d cores), %s, %s with its nscd, dnsmasq %s;\nmedians of %d rounds.\n", date,
    processor == "" ? "a processor" : processor, machine, cores, kernel, glibc, dnsmasq, rounds >tables
  table("p50", "A lookup, p50", "us", "nscd", 1)
  table("p99", "A lookup, p99", "us", "nscd", 1)
  table("throughput", "Lookups of all clients together", "thousands a second", "nscd", 1)
  table("start", "A process that starts, resolves one name and ends", "us", "files", 0)
  table("memory", "Resident memory of the servers (Pss)", "MiB", "nscd", 0)
}
