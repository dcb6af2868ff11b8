import CAres
import CLinux

/// What has come of a question, or that nothing will.
struct Arrival {
  /// Whose question it was: a lookup, and the place of the type in it.
  let lookup: UInt64
  let place: Int
  /// In the numbers of c-ares.
  let status: Int32
  let packet: [UInt8]
  /// Whether a server has let its time pass.
  let hasWaited: Bool
  let channel: Channel

  /// Some server has said something.
  var isAnswer: Bool { [ARES_SUCCESS, ARES_ENODATA, ARES_ENOTFOUND].contains(status) }
}

/// Where answers wait until c-ares has returned: whoever handles one may ask again.
final class Arrivals {
  private var waiting: ArraySlice<Arrival> = []

  func append(_ arrival: Arrival) { waiting.append(arrival) }
  func next() -> Arrival? { waiting.popFirst() }
}

/// The servers in one order, as c-ares asks them. For the resolver's thread alone.
final class Channel {
  /// How many places the first server of this order has in the original one.
  let rotation: Int
  private let handle: ares_channel
  private let sockets: Sockets
  private let arrivals: Arrivals
  /// Questions that c-ares has not answered yet, wanted or not.
  private(set) var asked = 0

  /// c-ares' sockets and what it waits for at each. Outlives the handle, which takes back all of them when it ends.
  private final class Sockets {
    let poll: Int32
    var events: [Int32: UInt32] = [:]

    init(poll: Int32) { self.poll = poll }

    func change(_ socket: Int32, reads: Bool, writes: Bool) {
      let wanted = (reads ? UInt32(NSP_READ) : 0) | (writes ? UInt32(NSP_WRITE) : 0)
      let previous = events[socket]
      if wanted == 0 {
        events[socket] = nil
        if previous != nil { nsp_poll_remove(poll, socket) }
      } else {
        events[socket] = wanted
        // Where the kernel has no room for it, the questions run out of time.
        if previous == nil {
          _ = nsp_poll_add(poll, socket, wanted, UInt64(socket))
        } else {
          _ = nsp_poll_change(poll, socket, wanted, UInt64(socket))
        }
      }
    }
  }

  /// Answers to a thousand questions may come at once.
  private static let receiveBuffer: Int32 = 1 << 20
  /// What passes every network in one piece.
  private static let datagram: Int32 = 1232

  init(_ settings: ServerSettings, rotation: Int, poll: Int32, arrivals: Arrivals) throws(Resolver.ConfigurationFailure) {
    let sockets = Sockets(poll: poll)
    var options = ares_options()
    // An answer that names a failure comes to us, who ask the next server; c-ares would forget what it was.
    options.flags = ARES_FLAG_NOALIASES | ARES_FLAG_NOSEARCH | ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS
    options.ednspsz = Self.datagram
    options.socket_receive_buffer_size = Self.receiveBuffer
    options.timeout = Int32(settings.timeout)
    options.tries = Int32(settings.tries)
    // Borrowed: kept by `sockets` of the channel, which ends the handle first.
    options.sock_state_cb_data = Unmanaged.passUnretained(sockets).toOpaque()
    options.sock_state_cb = { sockets, socket, reads, writes in
      Unmanaged<Sockets>.fromOpaque(sockets!).takeUnretainedValue().change(socket, reads: reads != 0, writes: writes != 0)
    }
    let mask =
      ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_SOCK_RCVBUF | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB
      | ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF
    var made: ares_channel?
    let status = settings.resolvConf.withCString { path in
      // c-ares copies it.
      options.resolvconf_path = UnsafeMutablePointer(mutating: path)
      return ares_init_options(&made, &options, mask)
    }
    guard status == ARES_SUCCESS, let made else {
      throw Resolver.ConfigurationFailure("the resolver can't be made", status)
    }
    (handle, self.sockets, self.arrivals, self.rotation) = (made, sockets, arrivals, rotation)
    if let servers = settings.servers {
      let outcome = ares_set_servers_ports_csv(made, servers.joined(separator: ","))
      guard outcome == ARES_SUCCESS else {
        throw Resolver.ConfigurationFailure("the servers \(servers.joined(separator: ", ")) can't be used", outcome)
      }
    }
    rotate()
  }

  /// Puts the servers before `rotation` last.
  private func rotate() {
    var first: UnsafeMutablePointer<ares_addr_port_node>?
    guard rotation > 0, ares_get_servers_ports(handle, &first) == ARES_SUCCESS else { return }
    // The list is ours; freed from wherever it begins then.
    defer { ares_free_data(first) }
    for _ in 0..<rotation {
      guard let moved = first, let next = moved.pointee.next else { break }
      var last = next
      while let further = last.pointee.next { last = further }
      (last.pointee.next, moved.pointee.next, first) = (moved, nil, next)
    }
    _ = ares_set_servers_ports(handle, first)
  }

  deinit { ares_destroy(handle) }

  func ask(_ name: String, _ type: Resolver.RecordType, lookup: UInt64, place: Int) {
    // That nobody is there is told once for each socket: to who receives, which counts for all that was asked there, or to who sends next.
    for socket in sockets.events.keys { process(socket) }
    asked += 1
    let question = Question(channel: self, lookup: lookup, place: place)
    // Retained here, released in the callback, which c-ares calls once for each question, at the latest when the channel ends.
    let context = Unmanaged.passRetained(question).toOpaque()
    ares_query(
      handle, name, Int32(ns_c_in.rawValue), Int32(type.rawValue),
      { context, status, timeouts, packet, length in
        let question = Unmanaged<Question>.fromOpaque(context!).takeRetainedValue()
        question.answer(status, UnsafeBufferPointer(start: packet, count: Int(length)), hasWaited: timeouts > 0)
      }, context)
  }

  private final class Question {
    private unowned let channel: Channel
    private let lookup: UInt64
    private let place: Int

    init(channel: Channel, lookup: UInt64, place: Int) { (self.channel, self.lookup, self.place) = (channel, lookup, place) }

    func answer(_ status: Int32, _ packet: UnsafeBufferPointer<UInt8>, hasWaited: Bool) {
      // The channel ends: who has asked knows.
      if status == ARES_EDESTRUCTION { return }
      channel.asked -= 1
      channel.arrivals.append(
        Arrival(lookup: lookup, place: place, status: status, packet: Array(packet), hasWaited: hasWaited, channel: channel))
    }
  }

  // MARK: The loop

  func owns(_ socket: Int32) -> Bool { sockets.events[socket] != nil }

  /// A socket of its has an event.
  func process(_ socket: Int32) {
    guard let events = sockets.events[socket] else { return }
    ares_process_fd(handle, socket, events & UInt32(NSP_WRITE) != 0 ? socket : ARES_SOCKET_BAD)
  }

  /// Some time has passed.
  func processTimeouts() { ares_process_fd(handle, ARES_SOCKET_BAD, ARES_SOCKET_BAD) }

  /// When it wants to be called again, in milliseconds from now; nil where nothing is asked.
  var patience: Int32? {
    guard asked > 0 else { return nil }
    var time = timeval()
    guard ares_timeout(handle, nil, &time) != nil else { return nil }
    return Int32(clamping: time.tv_sec * 1000 + (Int(time.tv_usec) + 999) / 1000)
  }

  // MARK: What it has read

  var serverCount: Int {
    var first: UnsafeMutablePointer<ares_addr_port_node>?
    guard ares_get_servers_ports(handle, &first) == ARES_SUCCESS else { return 0 }
    defer { ares_free_data(first) }
    var count = 0
    var next = first
    while let server = next { (count, next) = (count + 1, server.pointee.next) }
    return count
  }

  var search: (domains: [String], ndots: Int) {
    var options = ares_options()
    var mask: Int32 = 0
    guard ares_save_options(handle, &options, &mask) == ARES_SUCCESS else { return ([], 1) }
    defer { ares_destroy_options(&options) }
    let domains = UnsafeBufferPointer(start: options.domains, count: Int(options.ndomains))
    return (domains.compactMap { $0.map { String(cString: $0) } }, Int(options.ndots))
  }
}
