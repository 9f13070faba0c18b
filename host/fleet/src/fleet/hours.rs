//! What the fleet shows of how far each machine is ours, once a minute.

use super::Fleet;
use super::machine::Machine;
use crate::column::Column;
use crate::learned::Hour;
use crate::learned::hours::Signs;
use crate::moment::Moment;

impl Fleet {
    /// Has every machine learn how far it is ours in this minute. To be called about once a minute; `minute` is the one
    /// within the hour, of the router's local time.
    pub fn note_hours(&mut self, (hour, minute): (Hour, u8), now: Moment) {
        self.hour = Some(hour);
        for machine in self.machines.values() {
            // A machine that its operator or its owner takes out is not used by anybody because of that.
            if !machine.node.draining.is_wanted() {
                let share = self.signs(machine, now).share();
                machine.node.live.hours.note((hour, minute), share, now);
            }
        }
    }

    /// What is seen of a machine now.
    fn signs(&self, machine: &Machine, now: Moment) -> Signs {
        let members = machine.rows.iter().filter_map(|row| self.members.get(row));
        let mut signs = Signs { is_heard: machine.beats.map(|_| machine.is_heard()), ..Signs::default() };
        for member in members {
            let backend = &member.backend;
            signs.ours += member.lives.values().map(|live| live.slots.busy()).sum::<u32>();
            // Servers of one machine see the same machine; what they take beside each other adds up.
            signs.foreign += backend.foreign;
            signs.slots += member.slots();
            let reading = |column| backend.reading(column, now);
            signs.cpu_busy = signs.cpu_busy.or(reading(Column::CpuBusy));
            let is_in_meeting = reading(Column::Meeting).map(|flag| flag >= 0.5);
            signs.is_in_meeting = signs.is_in_meeting.or(is_in_meeting);
        }
        signs
    }
}
