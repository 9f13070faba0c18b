;; A fallback or health plugin by hand: the canonical ABI of its world with a bump allocator that never frees.
;; {{…}} is filled in by other.rs.
(module
  (memory (export "memory") 4)
  (global $top (mut i32) (i32.const {{heap}}))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "herdwick:plugin/lifecycle@0.1.0#describe") (result i32) (i32.const {{manifest}}))
  ;; The first twelve bytes of the data are a result without an error.
  (func (export "herdwick:plugin/lifecycle@0.1.0#configure") (param i32 i32) (result i32) (i32.const 16))
  (func (export "herdwick:plugin/lifecycle@0.1.0#topology") (param i32 i32 i32 i32 i32))
  {{world}}
  (data (i32.const 16) "{{data}}"))
