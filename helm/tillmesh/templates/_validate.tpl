{{/* Mistakes that the schema cannot see, each with what to set. */}}

{{- define "tillmesh.removed" -}}
{{- range $old, $new := dict "replicaCount" "defaults.replicas, or services.<name>.replicas" "orderGroups" "orders.groups" "jaeger" "tracing.endpoint" -}}
{{- if hasKey $.Values $old -}}{{- fail (printf "%s is no value of this chart: set %s" $old $new) -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "tillmesh.validate" -}}
{{- include "tillmesh.removed" . -}}
{{- $components := include "tillmesh.components" . | fromJson -}}
{{- $production := eq .Values.profile "production" -}}
{{- range $name, $component := $components -}}
{{- $where := ternary (printf "channels.%s" (default "" $component.channelId)) (printf "services.%s" $name) (not (empty $component.channelId)) -}}
{{- $drain := $component.drain -}}
{{- /* 8 s to close what was opened (END_MS_MAX of libs/rpc), 2 s to spare. */ -}}
{{- $needed := add ($drain.preStopSeconds | int) ($drain.drainSeconds | int) 10 -}}
{{- if lt ($drain.graceSeconds | int) ($needed | int) -}}
{{- fail (printf "%s.drain.graceSeconds is %v: the pod would be killed while it drains. Set at least %v = preStopSeconds %v + drainSeconds %v + 10 for closing" $where ($drain.graceSeconds | int) $needed ($drain.preStopSeconds | int) ($drain.drainSeconds | int)) -}}
{{- end -}}
{{- if lt ($drain.preStopSeconds | int) 4 -}}
{{- fail (printf "%s.drain.preStopSeconds is %v: clients ask for addresses every 2 s and would still call a pod that drains. Set at least 4" $where ($drain.preStopSeconds | int)) -}}
{{- end -}}
{{- $least := $component.replicas | int -}}
{{- if $component.autoscaling.enabled -}}
{{- $least = $component.autoscaling.minReplicas | int -}}
{{- if gt $least ($component.autoscaling.maxReplicas | int) -}}
{{- fail (printf "%s.autoscaling.minReplicas %v is above maxReplicas %v: raise maxReplicas" $where $least ($component.autoscaling.maxReplicas | int)) -}}
{{- end -}}
{{- if eq $name "routing" -}}{{- fail "services.routing.autoscaling: routing is one process, its switches lie in one file. Payments go on without it; turn autoscaling off" -}}{{- end -}}
{{- if and (eq $component.autoscaling.type "keda") (not ($.Capabilities.APIVersions.Has "keda.sh/v1alpha1")) -}}
{{- fail (printf "%s.autoscaling.type is keda and the cluster has no ScaledObject (keda.sh/v1alpha1): install KEDA first, or set type to hpa" $where) -}}
{{- end -}}
{{- if and (eq $component.autoscaling.type "keda") (not $component.autoscaling.prometheusUrl) -}}
{{- fail (printf "%s.autoscaling.prometheusUrl is missing: KEDA reads the length of the queue there" $where) -}}
{{- end -}}
{{- end -}}
{{- if and $component.pdb.minAvailable (ge ($component.pdb.minAvailable | int) $least) -}}
{{- fail (printf "%s.pdb.minAvailable is %v of %v replicas: no node could ever be drained. Set at most %v, or pdb.maxUnavailable" $where ($component.pdb.minAvailable | int) $least (sub $least 1)) -}}
{{- end -}}
{{- if and (eq $name "reconciler") (or (gt ($component.replicas | int) 1) $component.autoscaling.enabled) -}}
{{- fail "services.reconciler is one process: two would need one folder together, and its volume is of one. Set replicas to 1, autoscaling off" -}}
{{- end -}}
{{- if and (eq $name "routing") (gt ($component.replicas | int) 1) -}}
{{- fail "services.routing.replicas is above 1: two processes would write one file of switches. Set 1; cashiers go on with the table they hold while it restarts" -}}
{{- end -}}
{{- if and (gt ($component.grey.replicas | int) 0) (not $component.grey.image.tag) -}}
{{- fail (printf "%s.grey.replicas is %v and grey.image.tag is missing: set the version that gets a part of the calls" $where ($component.grey.replicas | int)) -}}
{{- end -}}
{{- if and $component.channelId $production -}}
{{- if not $component.secretName -}}
{{- fail (printf "%s.secretName is missing: the channel has no keys. Name a Secret whose keys are the files that its accounts name as ../channel-secrets/<key>" $where) -}}
{{- end -}}
{{- if and (not $component.config.accounts) (not $component.config.accountData) -}}
{{- fail (printf "%s.config.accounts is missing: list the channel's accounts, or set config.accountData" $where) -}}
{{- end -}}
{{- end -}}
{{- if $component.channelId -}}
{{- range $account := $component.config.accounts -}}
{{- if $account.agreed -}}
{{- $most := include "tillmesh.instancesMax" (dict "component" $component) | int -}}
{{- if lt ($account.agreed.replicasMax | int) $most -}}
{{- fail (printf "%s.config.accounts: %s has agreed.replicasMax %v, and %v processes may run in a rollout: raise replicasMax or lower the replicas" $where $account.accountId ($account.agreed.replicasMax | int) $most) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $caller := list "cashier" "syncer" "edge" -}}
{{- if and (hasKey $components $caller) (not (include "tillmesh.channelTargets" $ | fromJson).channels) -}}
{{- fail (printf "no channel is enabled: services.%s has nobody to call. Set channels.<id>.enabled" $caller) -}}
{{- end -}}
{{- end -}}
{{- $tags := list -}}
{{- $servers := list -}}
{{- range $group := ternary .Values.orders.groups list $production -}}
{{- $tag := printf "%v" $group.tag -}}
{{- if has $tag $tags -}}{{- fail (printf "orders.groups: group tag %s is listed twice. Every order number carries its group's tag: give the new group one that was never used" $tag) -}}{{- end -}}
{{- $tags = append $tags $tag -}}
{{- range $endpoint := $group.endpoints -}}
{{- $server := printf "%s:%v" $endpoint.host $endpoint.port -}}
{{- if has $server $servers -}}{{- fail (printf "orders.groups: the server %s is listed twice. Two reads of one server would pass for a quorum: each group needs servers of its own" $server) -}}{{- end -}}
{{- $servers = append $servers $server -}}
{{- if contains (printf "%s-db-" (include "tillmesh.fullname" $)) $endpoint.host -}}{{- fail (printf "orders.groups: %s is a database of the evaluation profile, which no production may use: set servers that somebody keeps and backs up" $server) -}}{{- end -}}
{{- end -}}
{{- if and (has $group.state (list "migrating" "retired")) (not (hasKey $group "successor")) -}}{{- fail (printf "orders.groups: group %s is %s and has no successor: name the tag of the group that has its orders" $tag $group.state) -}}{{- end -}}
{{- end -}}
{{- if $production -}}
{{- if not .Values.orders.groups -}}{{- fail "orders.groups is empty: the production profile brings no databases. List every order group with its tag and servers" -}}{{- end -}}
{{- $open := list -}}
{{- range $group := .Values.orders.groups -}}{{- if eq (default "open" $group.state) "open" -}}{{- $open = append $open $group -}}{{- if lt (len $group.endpoints) 3 -}}{{- fail (printf "orders.groups: group %v has %d servers. A primary and two replicas are what survives a failure without losing an order: list 3" $group.tag (len $group.endpoints)) -}}{{- end -}}{{- end -}}{{- end -}}
{{- if not $open -}}{{- fail "orders.groups: no group is open, so no order could be taken. Set state: open for at least one" -}}{{- end -}}
{{- range $account, $settings := .Values.orders.accounts -}}
{{- if and (not $settings.secretName) (or (ne $account "lists") $.Values.services.projector.enabled) (or (ne $account "events") $.Values.services.notifier.enabled) -}}{{- fail (printf "orders.accounts.%s.secretName is missing: name the Secret with the password of the database account %s" $account $settings.user) -}}{{- end -}}
{{- end -}}
{{- if not .Values.orders.rowKeys.secretName -}}{{- fail "orders.rowKeys.secretName is missing: name the Secret with the keys that rows are sealed and encrypted with" -}}{{- end -}}
{{- if and .Values.services.projector.enabled (not .Values.lists.endpoints) -}}{{- fail "lists.endpoints is empty and services.projector is enabled: list the servers of the lists by merchant, or turn the projector off" -}}{{- end -}}
{{- if and .Values.services.projector.enabled (not .Values.redis.host) -}}{{- fail "redis.host is missing and services.projector is enabled: the projector's queue is in Redis. Set redis.host, or turn the projector off" -}}{{- end -}}
{{- if and .Values.services.reconciler.enabled (not .Values.redis.host) -}}{{- fail "redis.host is missing and services.reconciler is enabled: its schedule is in Redis. Set redis.host, or turn the reconciler off" -}}{{- end -}}
{{- if and .Values.services.notifier.enabled (or (not .Values.lists.endpoints) (not .Values.redis.host)) -}}{{- fail "services.notifier is enabled and lists.endpoints or redis.host is missing: what merchants are told is kept and scheduled there. Set both, or turn the notifier off" -}}{{- end -}}
{{- if not .Values.routing.table -}}{{- fail "routing.table is missing: set merchants and accounts, as docs/routing.md says" -}}{{- end -}}
{{- if not .Values.routing.persistence.enabled -}}{{- fail "routing.persistence.enabled is false: operators' switches would be lost with the pod. Set it to true" -}}{{- end -}}
{{- if and .Values.publicUrl (not (hasPrefix "https://" .Values.publicUrl)) -}}{{- fail (printf "publicUrl is %s: channels and payers come over the internet. Set an https:// address" .Values.publicUrl) -}}{{- end -}}
{{- range $name, $component := $components -}}
{{- if and (ne $name "routing") (ne $name "reconciler") (ne $name "watch") (lt ($component.replicas | int) 2) (not $component.autoscaling.enabled) -}}{{- fail (printf "%s has one replica in the production profile: its node would be a single point of failure. Set 2 or more" $name) -}}{{- end -}}
{{- end -}}
{{- else -}}
{{- if .Values.orders.groups -}}{{- fail "orders.groups is set in the evaluation profile, which brings its own databases: set profile to production, or leave it empty" -}}{{- end -}}
{{- if .Values.redis.host -}}{{- fail "redis.host is set in the evaluation profile, which brings its own Redis: set profile to production, or leave it empty" -}}{{- end -}}
{{- range $id, $channel := .Values.channels -}}
{{- if and $channel.enabled (not (index (include "tillmesh.evaluation" $ | fromJson).channels $id)) -}}{{- fail (printf "channels.%s: the sandbox of the evaluation profile plays no such channel. Set enabled to false, or profile to production" $id) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $row := .Values.orders.rowKeys -}}
{{- $ids := list -}}
{{- range $key := $row.keys -}}{{- $ids = append $ids (printf "%v" $key.id) -}}{{- end -}}
{{- if not (has (printf "%v" $row.current) $ids) -}}{{- fail (printf "orders.rowKeys.current is %v, which is none of orders.rowKeys.keys (%s): new rows are sealed with that key. List it" $row.current (join ", " $ids)) -}}{{- end -}}
{{- if hasKey $components "order-store" -}}
{{- $store := index $components "order-store" -}}
{{- $own := mul (include "tillmesh.instancesMax" (dict "component" $store) | int) (dig "orders" "connectionsMax" 24 $store.config | int) -}}
{{- $all := add $own (dig "orders" "connectionBudget" "others" 64 $store.config | int) (dig "orders" "connectionBudget" "reserved" 20 $store.config | int) -}}
{{- if gt ($all | int) (.Values.orders.serverConnectionsMax | int) -}}{{- fail (printf "services.order-store: %v connections would be opened to one database server, and orders.serverConnectionsMax is %v. Lower replicas or config.orders.connectionsMax, or raise max_connections there and orders.serverConnectionsMax here" $all (.Values.orders.serverConnectionsMax | int)) -}}{{- end -}}
{{- end -}}
{{- if and (eq .Values.discovery.mode "endpointSlices") .Values.networkPolicy.enabled (not .Values.networkPolicy.apiServerCidrs) -}}{{- fail "discovery.mode is endpointSlices and networkPolicy.apiServerCidrs is empty: nobody could ask the API server. List its addresses (kubectl get endpoints kubernetes), or set discovery.mode to dns" -}}{{- end -}}
{{- range $flag, $api := dict "serviceMonitor" "ServiceMonitor" "prometheusRule" "PrometheusRule" -}}
{{- if and (index $.Values.monitoring $flag).enabled (not ($.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $api))) -}}{{- fail (printf "monitoring.%s.enabled is true and the cluster has no %s (monitoring.coreos.com/v1): install the Prometheus operator first, or set it to false" $flag $api) -}}{{- end -}}
{{- end -}}
{{- if and (eq .Values.tls.mode "existingSecret") (not .Values.tls.existingSecret.name) -}}{{- fail "tls.mode is existingSecret and tls.existingSecret.name is empty: name a Secret with tls.crt, tls.key and ca.crt, or set tls.mode to off" -}}{{- end -}}
{{- if eq .Values.tls.mode "certManager" -}}
{{- if not .Values.tls.certManager.issuer.name -}}{{- fail "tls.mode is certManager and tls.certManager.issuer.name is empty: name the Issuer that signs the services' certificates, or set tls.mode to off" -}}{{- end -}}
{{- if not (.Capabilities.APIVersions.Has "cert-manager.io/v1/Certificate") -}}{{- fail "tls.mode is certManager and the cluster has no Certificate (cert-manager.io/v1): install cert-manager first, or set tls.mode to existingSecret" -}}{{- end -}}
{{- $lasts := regexFind "^[0-9]+" .Values.tls.certManager.duration | int -}}
{{- $before := regexFind "^[0-9]+" .Values.tls.certManager.renewBefore | int -}}
{{- if ge $before $lasts -}}{{- fail (printf "tls.certManager.renewBefore is %s and a certificate lasts %s: it would be renewed all the time. Lower renewBefore" .Values.tls.certManager.renewBefore .Values.tls.certManager.duration) -}}{{- end -}}
{{- end -}}
{{- end -}}
