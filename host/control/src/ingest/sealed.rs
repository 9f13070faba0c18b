//! The seal of a heartbeat: three headers, and what they prove of its body.

use herdwick_wire::seal::{self, PublicKey, Signature};
use http::HeaderMap;

use super::refusal::Refusal;

/// What the headers say; nothing of it is proven yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    pub(crate) key: PublicKey,
    /// Whom it is meant for; `None` = whichever router reads it.
    pub(crate) router: Option<PublicKey>,
    pub(crate) signature: Signature,
}

impl Sealed {
    /// Reads the headers.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        let key = PublicKey::parse(header(headers, seal::KEY)?).ok_or(Refusal::Unsealed(seal::KEY))?;
        let router = match header(headers, seal::ROUTER)? {
            seal::NO_ROUTER => None,
            router => Some(PublicKey::parse(router).ok_or(Refusal::Unsealed(seal::ROUTER))?),
        };
        let signature = header(headers, seal::SIGNATURE)?;
        let signature = Signature::parse(signature).ok_or(Refusal::Unsealed(seal::SIGNATURE))?;
        Ok(Self { key, router, signature })
    }

    /// Whether whoever has the key sealed this body for `us`, or for whichever router reads it.
    pub(crate) fn check(&self, us: &PublicKey, body: &[u8]) -> Result<(), Refusal> {
        if let Some(router) = self.router.filter(|router| router != us) {
            return Err(Refusal::OtherRouter(router));
        }
        let is_signed = self.key.signed_beat(&self.signature, self.router.as_ref(), body);
        if is_signed { Ok(()) } else { Err(Refusal::Forged(self.key)) }
    }
}

/// The one value of a header.
fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next().and_then(|value| value.to_str().ok()), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(Refusal::Unsealed(name)),
    }
}

#[cfg(test)]
mod tests {
    use herdwick_wire::seal::Identity;

    use super::*;

    #[test]
    fn a_seal_is_whole_and_for_us_or_it_is_none() {
        let [agent, us, other] = [1, 2, 3].map(|seed| Identity::from_seed(&[seed; 32]));
        let us = us.public();
        let sealed = |router: Option<&PublicKey>, body: &[u8]| {
            let mut headers = HeaderMap::new();
            let values = [
                (seal::KEY, agent.public().to_string()),
                (seal::ROUTER, seal::meant_for(router)),
                (seal::SIGNATURE, agent.sign_beat(router, body).to_string()),
            ];
            for (name, value) in values {
                headers.insert(name, value.parse().unwrap());
            }
            headers
        };
        let check = |headers: &HeaderMap, body: &[u8]| Sealed::read(headers)?.check(&us, body);
        assert_eq!(check(&sealed(Some(&us), b"body"), b"body"), Ok(()));
        assert_eq!(check(&sealed(None, b"body"), b"body"), Ok(()));
        assert_eq!(check(&sealed(Some(&us), b"body"), b"else"), Err(Refusal::Forged(agent.public())));
        let elsewhere = sealed(Some(&other.public()), b"body");
        assert_eq!(check(&elsewhere, b"body"), Err(Refusal::OtherRouter(other.public())));
        let mut renamed = elsewhere;
        renamed.insert(seal::ROUTER, us.to_string().parse().unwrap());
        assert_eq!(check(&renamed, b"body"), Err(Refusal::Forged(agent.public())));
        for name in [seal::KEY, seal::ROUTER, seal::SIGNATURE] {
            let mut headers = sealed(Some(&us), b"body");
            headers.append(name, headers[name].clone());
            assert_eq!(check(&headers, b"body"), Err(Refusal::Unsealed(name)), "two of {name}");
            headers.remove(name);
            assert_eq!(check(&headers, b"body"), Err(Refusal::Unsealed(name)), "no {name}");
            headers.insert(name, "0".repeat(63).parse().unwrap());
            assert_eq!(check(&headers, b"body"), Err(Refusal::Unsealed(name)), "half a {name}");
        }
    }
}
