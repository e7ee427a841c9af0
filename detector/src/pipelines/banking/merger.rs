//! What the partitions found about addresses and devices, put together.

use floodmark_contracts::{clock::EventTime, key::KeyType};

use super::{BankingPart, alert};
use crate::{
    finding::Output,
    rules::{
        credential_stuffing::{self, Logins},
        mule_device::{DeviceLogins, MuleDevices},
    },
    runtime::{
        Frozen, MergedWindows, Merger, Once, Reader, Saved, SavedError, Source, Window, encoded,
        merge::Accepted, together,
    },
};

/// Puts windows together. For an address a correction can only add failed accounts, so its window is looked
/// at when it closes and again with every correction. A device's windows build on each other: they are
/// looked at once, after the allowed lateness.
#[derive(Debug)]
pub struct BankingMerger {
    addresses: MergedWindows<String, Logins>,
    found: Once<String>,
    devices: MergedWindows<String, DeviceLogins>,
    mules: MuleDevices,
    lateness_ms: i64,
}

impl BankingMerger {
    /// A merger without state.
    #[must_use]
    pub fn new(lateness_ms: i64) -> Self {
        Self {
            addresses: MergedWindows::new(lateness_ms),
            found: Once::default(),
            devices: MergedWindows::new(0),
            mules: MuleDevices::default(),
            lateness_ms,
        }
    }
}

impl Merger for BankingMerger {
    type Partial = BankingPart;
    type Output = Output;

    fn accept(&mut self, source: Source, part: BankingPart, out: &mut Vec<Output>) -> bool {
        match part {
            BankingPart::Address(window, address, logins) => {
                match self.addresses.put(source, window, address.clone(), logins) {
                    Accepted::Waiting => true,
                    Accepted::TooLate => false,
                    Accepted::Corrected(logins) => {
                        look(&mut self.found, window, &address, &logins, out);
                        true
                    }
                }
            }
            BankingPart::Device(window, device, logins) => {
                self.devices.put(source, window, device, logins) != Accepted::TooLate
            }
        }
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let Self {
            addresses,
            found,
            devices,
            mules,
            lateness_ms,
        } = self;
        addresses.close(to, |window, addresses| {
            for (address, logins) in addresses {
                look(found, window, &address, &logins, out);
            }
        });
        found.forget(to.plus_ms(-*lateness_ms));
        devices.close(to.plus_ms(-*lateness_ms), |window, devices| {
            for (device, logins) in devices {
                if let Some(finding) = mules.window(window, &device, &logins) {
                    out.push(alert(finding, KeyType::Device, &device));
                }
            }
            mules.sweep(window.end);
        });
    }
}

impl Saved for BankingMerger {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(together([
            self.addresses.freeze(),
            encoded(&self.found)?,
            self.devices.freeze(),
            self.mules.freeze(),
        ]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.addresses, self.found, self.devices, self.mules) = from.get()?;
        Ok(())
    }
}

fn look(
    found: &mut Once<String>,
    window: Window,
    address: &str,
    logins: &Logins,
    out: &mut Vec<Output>,
) {
    if let Some(finding) = credential_stuffing::window(window, logins)
        && found.first(window.end, address.to_owned())
    {
        out.push(alert(finding, KeyType::Ip, address));
    }
}
