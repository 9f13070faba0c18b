//! Forms with a recording: whatever the bytes, reading them does not panic, and the model is where it is said to be.

#![no_main]

use herdwick_dialect::multipart;

libfuzzer_sys::fuzz_target!(|body: &[u8]| {
    for kind in ["multipart/form-data; boundary=XY", "multipart/form-data; boundary=\"-\""] {
        let Ok(form) = multipart::read(kind, body) else { continue };
        assert!(form.content_bytes <= body.len());
        if let Some((model, at)) = form.model {
            assert_eq!(body.get(at), Some(model.as_bytes()));
        }
    }
});
