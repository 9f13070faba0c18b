;; A signal plugin by hand: the canonical ABI of world herdwick:plugin/signal-plugin@0.1.0 with a bump
;; allocator that each call resets. {{…}} is filled in by lib.rs.
(module
  {{imports}}
  (memory (export "memory") {{pages}})
  (global $top (mut i32) (i32.const {{heap}}))
  ;; The words of the call under way: pairs of pointer and length.
  (global $words (mut i32) (i32.const 0))
  ;; Number of backends in the fleet.
  (global $fleet (mut i32) (i32.const 0))
  ;; For `configure` to remember a number in.
  (global $setting (mut f64) (f64.const 0))

  (func $alloc (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.const 16))))
    (local.get $at))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (call $alloc (local.get 3)))
  (func $reset (param i32)
    (global.set $top (i32.const {{heap}})))

  ;; result<list<f64>, string>: 0 = ok at offset 0, then pointer and length.
  (func $ok (param $at i32) (param $len i32) (result i32)
    (local $ret i32)
    (local.set $ret (call $alloc (i32.const 12)))
    (i32.store (local.get $ret) (i32.const 0))
    (i32.store offset=4 (local.get $ret) (local.get $at))
    (i32.store offset=8 (local.get $ret) (local.get $len))
    (local.get $ret))

  ;; The cost of one row; its slot stands at $row, its columns behind it.
  (func $one (param $row i32) (result f64) {{one}})

  (func $each (param $rows i32) (param $len i32) (result i32)
    (local $count i32) (local $out i32) (local $i i32)
    (local.set $count (i32.div_u (local.get $len) (i32.const {{width}})))
    (local.set $out (call $alloc (i32.mul (local.get $count) (i32.const 8))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $count)))
        (f64.store
          (i32.add (local.get $out) (i32.mul (local.get $i) (i32.const 8)))
          (call $one
            (i32.add (local.get $rows) (i32.mul (local.get $i) (i32.mul (i32.const {{width}}) (i32.const 8))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (call $ok (local.get $out) (local.get $count)))

  (func $cost (export "herdwick:plugin/signal@0.1.0#cost") (param $rows i32) (param $len i32) (result i32)
    {{cost}})
  (func (export "herdwick:plugin/signal@0.1.0#cost-for")
    (param i32 i32 i32 i32) (result i32)
    (global.set $words (local.get 0))
    (call $cost (local.get 2) (local.get 3)))
  (func (export "cabi_post_herdwick:plugin/signal@0.1.0#cost") (param i32) (call $reset (local.get 0)))
  (func (export "cabi_post_herdwick:plugin/signal@0.1.0#cost-for") (param i32) (call $reset (local.get 0)))

  (func (export "herdwick:plugin/lifecycle@0.1.0#describe") (result i32) (i32.const {{manifest}}))
  (func (export "herdwick:plugin/lifecycle@0.1.0#configure")
    (param $settings i32) (param $count i32) (result i32)
    {{configure}})
  (func (export "herdwick:plugin/lifecycle@0.1.0#topology") (param i32 i32 i32 i32 i32)
    (global.set $fleet (local.get 4))
    (call $reset (i32.const 0)))

  (func (export "herdwick:plugin/explain@0.1.0#explain") (param i32 i32 i32 i32) (result i32)
    (local $ret i32)
    (local.set $ret (call $alloc (i32.const 8)))
    (i64.store (local.get $ret) (i64.const 0))
    (local.get $ret))

  (data (i32.const 16) "{{data}}"))
