;; WASI for core modules that import it (preview 1) and get none: an adapter that answers everything by itself.
;;
;; Go's runtime, and what C's and C++'s libraries bring along, import WASI whether a plugin uses it or not. The adapter
;; that goes with WASI 0.2 passes such calls on to the host. This one imports nothing, so the component imports nothing
;; but the migration's interface; and the clock that Go's garbage collector reads, in the middle of allocating for the
;; host, where calls to the host are forbidden, is at hand.
;;
;; There are no arguments, no environment and no files; output goes nowhere. The wall clock stands at what the SDK sets
;; it to, the monotonic clock goes by a microsecond with each look at it, a wait is over at once, and random numbers are
;; always the same.
(module
  (import "env" "memory" (memory 0))

  ;; In nanoseconds since 1970, and since the instance began.
  (global $wall (mut i64) (i64.const 0))
  (global $monotonic (mut i64) (i64.const 0))
  ;; The state of the random numbers, which must not be 0.
  (global $random (mut i64) (i64.const 0x9e3779b97f4a7c15))

  ;; For the SDKs: the wall clock's time from now on.
  (func (export "adapter_wall_clock_set") (param $nanoseconds i64)
    (global.set $wall (local.get $nanoseconds)))

  ;; Asked for by Go's bindings around allocations for the host. These clocks need no rest.
  (func (export "adapter_monotonic_clock_set_paused") (param i32))

  ;; Two 32-bit zeros: no arguments, in no bytes. Errors are numbers; 0 is none.
  (func $none (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func $nothing_to_write (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $nothing_to_write))
  (export "environ_get" (func $nothing_to_write))

  (func (export "clock_res_get") (param $clock i32) (param $to i32) (result i32)
    (i64.store (local.get $to) (i64.const 1000))
    (i32.const 0))

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $to i32) (result i32)
    (if (i32.eqz (local.get $clock))
      (then (i64.store (local.get $to) (global.get $wall)))
      (else
        (global.set $monotonic (i64.add (global.get $monotonic) (i64.const 1000)))
        (i64.store (local.get $to) (global.get $monotonic))))
    (i32.const 0))

  ;; Bytes of a xorshift generator.
  (func (export "random_get") (param $to i32) (param $count i32) (result i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $to) (local.get $count)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $to) (local.get $end)))
        (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
        (global.set $random (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
        (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
        (i64.store8 (local.get $to) (global.get $random))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; Standard input, output and error are character devices that can be written to; there are no others.
  (func (export "fd_fdstat_get") (param $file i32) (param $to i32) (result i32)
    (if (i32.gt_u (local.get $file) (i32.const 2)) (then (return (i32.const 8))))
    (i64.store (local.get $to) (i64.const 2))
    (i64.store offset=8 (local.get $to) (i64.const 0x40))
    (i64.store offset=16 (local.get $to) (i64.const 0))
    (i32.const 0))

  ;; All is written, to nowhere: the lengths of the parts, each an address and a length, are added up.
  (func (export "fd_write") (param $file i32) (param $part i32) (param $parts i32) (param $to i32) (result i32)
    (local $sum i32)
    (if (i32.gt_u (local.get $file) (i32.const 2)) (then (return (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $parts)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $part))))
        (local.set $part (i32.add (local.get $part) (i32.const 8)))
        (local.set $parts (i32.sub (local.get $parts) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $to) (local.get $sum))
    (i32.const 0))

  ;; A wait for a clock, the only thing that can be waited for, is over when the monotonic clock stands where it ends.
  ;; A subscription: 8 bytes of the caller's, a byte of what for (0: a clock), at 24 the time, at 40 whether that is a
  ;; point in time or a duration. An event: the caller's 8 bytes, an error, and what happened.
  (func (export "poll_oneoff") (param $subscriptions i32) (param $events i32) (param $count i32) (param $to i32) (result i32)
    (local $time i64)
    (if (i32.eqz (local.get $count)) (then (return (i32.const 28))))
    (if (i32.load8_u offset=8 (local.get $subscriptions)) (then (return (i32.const 8))))
    (local.set $time (i64.load offset=24 (local.get $subscriptions)))
    (if (i32.eqz (i32.load16_u offset=40 (local.get $subscriptions)))
      (then (local.set $time (i64.add (local.get $time) (global.get $monotonic)))))
    (if (i64.gt_u (local.get $time) (global.get $monotonic)) (then (global.set $monotonic (local.get $time))))
    (i64.store (local.get $events) (i64.load (local.get $subscriptions)))
    (i64.store offset=8 (local.get $events) (i64.const 0))
    (i64.store offset=16 (local.get $events) (i64.const 0))
    (i64.store offset=24 (local.get $events) (i64.const 0))
    (i32.store (local.get $to) (i32.const 1))
    (i32.const 0))

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; Nobody can leave but by a trap.
  (func (export "proc_exit") (param i32) (unreachable))
  (func (export "proc_raise") (param i32) (result i32) (unreachable))

  ;; There are no files: 8 is EBADF.
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "fd_datasync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_pread") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_pwrite") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_read") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_readdir") (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_renumber") (param i32 i32) (result i32) (i32.const 8))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_sync") (param i32) (result i32) (i32.const 8))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 8))
  (func (export "path_create_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_get") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "path_readlink") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_remove_directory") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_rename") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_symlink") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "path_unlink_file") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 8))
)
