// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @notice Distributed proof of identification: names the wallet that receives the payments of an IPFS id.
/// @dev One contract per peer (section 3.2 of the paper).  Invariants:
///      - The contract returns only its constructor arguments and its deployment time.  It has no storage, no owner, no
///        payable function and no way to be destroyed.
///      - These three values are part of the runtime code and nothing else in it varies, so anybody who knows the
///        template can verify a claim by comparing code.
///      - It does not prove that its deployer holds the IPFS key.  The signature of the claim, off chain, proves that.
contract DPoID {
    /*//////////////////////////////////////////////////////////////
                                 ERRORS
    //////////////////////////////////////////////////////////////*/

    /// @notice The IPFS id is all zeros, which is not a valid key.
    error NoIpfsId();

    /// @notice The wallet is the zero address, which would burn every payment.
    error NoWallet();

    /*//////////////////////////////////////////////////////////////
                                  TYPES
    //////////////////////////////////////////////////////////////*/

    /// @notice Proof of identification.
    /// @param ipfsId The Ed25519 public key that a base58 IPFS id wraps.
    /// @param wallet The account that receives payments for this peer's models.
    struct PoID {
        bytes32 ipfsId;
        address wallet;
    }

    /*//////////////////////////////////////////////////////////////
                               IMMUTABLES
    //////////////////////////////////////////////////////////////*/

    bytes32 private immutable ipfsId;
    address private immutable wallet;
    uint256 private immutable timestamp;

    /*//////////////////////////////////////////////////////////////
                               CONSTRUCTOR
    //////////////////////////////////////////////////////////////*/

    constructor(PoID memory poid) {
        if (poid.ipfsId == 0) revert NoIpfsId();
        if (poid.wallet == address(0)) revert NoWallet();

        ipfsId = poid.ipfsId;
        wallet = poid.wallet;
        timestamp = block.timestamp;
    }

    /*//////////////////////////////////////////////////////////////
                                  VIEWS
    //////////////////////////////////////////////////////////////*/

    /// @notice The two fields of the PoID.
    /// @dev Returning a PoID in memory would have the same encoding and cost 11k gas more to deploy.
    function getPoid() external view returns (bytes32, address) {
        return (ipfsId, wallet);
    }

    /// @notice The time of deployment, in Unix seconds of chain time.
    function getTimestamp() external view returns (uint256) {
        return timestamp;
    }
}
