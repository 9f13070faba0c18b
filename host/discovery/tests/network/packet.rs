//! Packets of multicast DNS, byte by byte (RFC 1035 §4, RFC 6762 §18), so that they can be as wrong as a stranger's.

pub(crate) const A: u16 = 1;
pub(crate) const PTR: u16 = 12;
pub(crate) const TXT: u16 = 16;
pub(crate) const SRV: u16 = 33;

/// An answer that says whatever it is told to.
pub(crate) struct Packet {
    records: u16,
    bytes: Vec<u8>,
}

impl Packet {
    pub(crate) fn new() -> Self {
        Self { records: 0, bytes: Vec::new() }
    }

    /// One record of the answer section, which anybody may keep for ten minutes.
    pub(crate) fn record(self, name: &[u8], kind: u16, data: &[u8]) -> Self {
        self.record_for(name, kind, data, 600)
    }

    /// One that may be kept so many seconds; 0 says goodbye.
    pub(crate) fn record_for(mut self, name: &[u8], kind: u16, data: &[u8], seconds: u32) -> Self {
        self.records += 1;
        self.bytes.extend(name);
        self.bytes.extend(kind.to_be_bytes());
        self.bytes.extend(1_u16.to_be_bytes());
        self.bytes.extend(seconds.to_be_bytes());
        self.bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        self.bytes.extend(data);
        self
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut packet = vec![0, 0, 0x84, 0, 0, 0];
        packet.extend(self.records.to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(self.bytes);
        packet
    }
}

/// A name as labels with their lengths.
pub(crate) fn name(labels: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in labels {
        bytes.push(u8::try_from(label.len()).unwrap());
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// What somebody says of itself, to be changed until it is wrong.
#[derive(Clone)]
pub(crate) struct Stranger {
    pub(crate) instance: String,
    pub(crate) service: &'static str,
    pub(crate) port: u16,
    pub(crate) address: [u8; 4],
    pub(crate) texts: Vec<Vec<u8>>,
}

impl Stranger {
    /// A router that there could be.
    pub(crate) fn router(instance: &str) -> Self {
        let texts = ["v=1", "role=router", "key=00000000000000aa", &format!("name={instance}")];
        Self {
            instance: instance.to_owned(),
            service: "_herdwick",
            port: 11_435,
            address: [192, 168, 7, 7],
            texts: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        }
    }

    pub(crate) fn with_text(mut self, key: &str, value: &[u8]) -> Self {
        let prefix = format!("{key}=").into_bytes();
        self.texts.retain(|text| !text.starts_with(&prefix));
        self.texts.push([&prefix, value].concat());
        self
    }

    pub(crate) fn packet(&self) -> Vec<u8> {
        let service = name(&[self.service, "_tcp", "local"]);
        let instance = name(&[&self.instance, self.service, "_tcp", "local"]);
        let host = name(&[&self.instance, "local"]);
        let mut location = vec![0, 0, 0, 0];
        location.extend(self.port.to_be_bytes());
        location.extend(&host);
        let mut texts = Vec::new();
        for text in &self.texts {
            texts.push(u8::try_from(text.len()).unwrap());
            texts.extend(text);
        }
        Packet::new()
            .record(&service, PTR, &instance)
            .record(&instance, SRV, &location)
            .record(&instance, TXT, &texts)
            .record(&host, A, &self.address)
            .bytes()
    }
}
