//! `update`: other limits and another restart policy for a container, at once where it runs.

use anyhow::{Context, Result};

use super::container::Locked;
use super::request::HealthUpdate;
use super::{Engine, limit, pause};
use crate::model::container::{Resources, RestartPolicy};
use crate::model::id::Id;
use crate::monitor::client::AttachClient;

/// What changes; what is absent stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct UpdateRequest {
    pub(crate) resources: Resources,
    pub(crate) restart: Option<RestartPolicy>,
    pub(crate) health: Option<HealthUpdate>,
}

impl Engine {
    /// Changes the container that `name` means.
    pub(crate) fn update(&self, name: &str, request: &UpdateRequest) -> Result<Id> {
        let mut locked = self.lock(name)?;
        let before = locked.config.clone();
        merge(&mut locked.config.resources, &request.resources);
        if let Some(restart) = request.restart {
            locked.config.restart = restart;
        }
        if let Some(update) = &request.health {
            locked.config.health = super::health::updated(locked.config.health.as_deref(), update)?;
        }
        // Refused here, not at the next start.
        super::facts::cgroup(self, &locked.config)?;
        super::facts::numbers(&locked.config.resources)?;
        locked.save_config()?;
        if locked.state.status.is_alive()
            && request.resources.is_asked()
            && let Err(error) = apply(&locked, &request.resources)
        {
            locked.config = before;
            locked.save_config()?;
            return Err(error);
        }
        if locked.state.status.is_alive() && locked.config.health != before.health {
            // A monitor that has no socket for clients has the checks at the next start.
            if let Ok(client) = AttachClient::connect(&locked.run_dir().join("attach")) {
                client.reload()?;
            }
        }
        Ok(locked.id().clone())
    }
}

/// Sets what was asked for, with what belongs to it: memory and swap are one group.
fn apply(locked: &Locked, asked: &Resources) -> Result<()> {
    let whole = &locked.config.resources;
    let mut now = asked.clone();
    if asked.memory.is_some() || asked.memory_swap.is_some() {
        (now.memory, now.memory_swap) = (whole.memory, whole.memory_swap);
    }
    if asked.cpu_quota.is_some() || asked.cpu_period.is_some() {
        (now.cpu_quota, now.cpu_period) = (whole.cpu_quota, whole.cpu_period);
    }
    let cgroup = pause::cgroup(locked)?;
    cgroup.change(&limit::limits(&now, &super::facts::numbers(&now)?)?).context("change the limits of the cgroup")
}

/// Puts what is in `asked` in the place of what `into` has.
pub(super) fn merge(into: &mut Resources, asked: &Resources) {
    let memory_changed = asked.memory.is_some();
    fn set<T: Clone>(into: &mut Option<T>, asked: &Option<T>) {
        if asked.is_some() {
            into.clone_from(asked);
        }
    }
    set(&mut into.memory, &asked.memory);
    set(&mut into.memory_reservation, &asked.memory_reservation);
    set(&mut into.memory_swap, &asked.memory_swap);
    set(&mut into.memory_swappiness, &asked.memory_swappiness);
    set(&mut into.cpu_shares, &asked.cpu_shares);
    set(&mut into.cpu_quota, &asked.cpu_quota);
    set(&mut into.cpu_period, &asked.cpu_period);
    set(&mut into.cpuset_cpus, &asked.cpuset_cpus);
    set(&mut into.cpuset_mems, &asked.cpuset_mems);
    set(&mut into.pids, &asked.pids);
    set(&mut into.cpu_rt_period, &asked.cpu_rt_period);
    set(&mut into.cpu_rt_runtime, &asked.cpu_rt_runtime);
    set(&mut into.blkio_weight, &asked.blkio_weight);
    for (into, asked) in [
        (&mut into.blkio_weight_device, &asked.blkio_weight_device),
        (&mut into.device_read_bps, &asked.device_read_bps),
        (&mut into.device_write_bps, &asked.device_write_bps),
        (&mut into.device_read_iops, &asked.device_read_iops),
        (&mut into.device_write_iops, &asked.device_write_iops),
    ] {
        // Of one device the newest; others stay.
        into.retain(|limit| !asked.iter().any(|new| new.path == limit.path));
        into.extend(asked.iter().cloned());
    }
    if asked.pids.is_some() {
        into.pids_is_default = false;
    }
    // A swap limit below the new limit of memory is none any more: twice the memory, as for a new container.
    if memory_changed
        && asked.memory_swap.is_none()
        && into.memory_swap.is_some_and(|swap| swap >= 0 && into.memory.is_some_and(|memory| swap < memory))
    {
        into.memory_swap = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_changes() {
        let mut now = Resources {
            memory: Some(100),
            memory_swap: Some(150),
            pids: Some(2048),
            pids_is_default: true,
            cpu_shares: Some(5),
            ..Resources::default()
        };
        merge(&mut now, &Resources { memory: Some(200), cpu_quota: Some(1000), ..Resources::default() });
        assert_eq!(
            (now.memory, now.memory_swap, now.cpu_quota, now.cpu_shares),
            (Some(200), None, Some(1000), Some(5))
        );
        assert!(now.pids_is_default);
        merge(&mut now, &Resources { pids: Some(-1), memory_swap: Some(-1), ..Resources::default() });
        assert_eq!((now.pids, now.pids_is_default, now.memory_swap), (Some(-1), false, Some(-1)));
    }
}
